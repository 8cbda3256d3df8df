//! Values as a table keeps them, or an error: never something that is nearly the same.
//!
//! The engine's casts drop the nanoseconds of a time without a word; a table in files refuses them, and so
//! does one that is computed.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::{
    common::{Result, exec_err},
    logical_expr::{
        ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
        cast,
    },
};
use lakebed_ingest::keep_exactly;

/// `value`, a column `name` of type `from`, with the type `to` of a table's column.
pub(crate) fn exactly(value: Expr, name: &str, from: &DataType, to: &DataType) -> Expr {
    match has_nanoseconds(from) {
        true => ScalarUDF::from(Exactly::new(name, to)).call(vec![value]),
        false => cast(value, to.clone()),
    }
}

/// Whether `udf` is one of these, which no statement can name.
pub(super) fn is_exact(udf: &ScalarUDF) -> bool {
    udf.inner().downcast_ref::<Exactly>().is_some()
}

fn has_nanoseconds(data_type: &DataType) -> bool {
    match data_type {
        DataType::Timestamp(unit, _) | DataType::Time64(unit) => *unit == TimeUnit::Nanosecond,
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::Map(item, _) => has_nanoseconds(item.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| has_nanoseconds(field.data_type())),
        DataType::Dictionary(_, values) => has_nanoseconds(values),
        _ => false,
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Exactly {
    column: String,
    to: DataType,
    signature: Signature,
}

impl Exactly {
    fn new(column: &str, to: &DataType) -> Self {
        let signature = Signature::any(1, Volatility::Immutable);
        Self { column: column.to_owned(), to: to.clone(), signature }
    }
}

impl ScalarUDFImpl for Exactly {
    fn name(&self) -> &str {
        "exactly"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.to.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let values = args.args[0].to_array(args.number_rows)?;
        match keep_exactly(&values, &self.to) {
            Ok(kept) => Ok(ColumnarValue::Array(kept)),
            Err(what) => exec_err!("column `{}` {what}", self.column),
        }
    }
}
