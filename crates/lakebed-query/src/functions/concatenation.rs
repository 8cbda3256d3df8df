//! The operator `||` between texts as a function, so that it can be bounded like the others.

use std::sync::Arc;

use arrow::{
    array::ArrayRef, compute::kernels::concat_elements::concat_elements_dyn, datatypes::DataType,
    error::ArrowError,
};
use datafusion::{
    common::{Result, ScalarValue},
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility},
};

/// Texts of one type, one after the other; null if any is.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Concatenation {
    signature: Signature,
}

impl Concatenation {
    pub(super) fn new() -> Self {
        Self { signature: Signature::variadic_any(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Concatenation {
    fn name(&self) -> &str {
        "||"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types[0].clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|part| matches!(part, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let parts = args.args.into_iter().map(|part| part.into_array(rows));
        let joined = join(parts.collect::<Result<Vec<_>>>()?)?;
        match constant {
            true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&joined, 0)?)),
            false => Ok(ColumnarValue::Array(joined)),
        }
    }
}

/// Neighbours first, so that nothing is copied more often than there are doublings.
fn join(mut parts: Vec<ArrayRef>) -> Result<ArrayRef, ArrowError> {
    while parts.len() > 1 {
        parts = parts
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => concat_elements_dyn(left, right),
                one => Ok(Arc::clone(&one[0])),
            })
            .collect::<Result<_, _>>()?;
    }
    parts.pop().ok_or_else(|| ArrowError::InvalidArgumentError("nothing to join".to_owned()))
}
