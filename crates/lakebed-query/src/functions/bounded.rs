//! Functions that cannot ask for more memory than there is.
//!
//! `SELECT repeat('x', 1500000000)` would end the process, at planning already: allocation failures
//! abort, and no memory pool sees what happens inside a function. So what a call may return is
//! estimated before it is made; a batch that may be too much is halved until it fits or is one row.

use std::sync::Arc;

use arrow::{
    array::ArrayRef,
    compute,
    datatypes::{DataType, FieldRef},
};
use datafusion::{
    common::{DataFusionError, Result},
    logical_expr::{
        ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
        ScalarUDFImpl, Signature,
    },
};

use super::{
    concatenation,
    estimate::{self, GROWING, Growth},
    measure::{self, Arguments},
};

/// The most that one value, or one step of a batch, may take up: 64 MiB.
const STEP_BYTES: u128 = 64 << 20;
/// The most that a batch may take up: 256 MiB.
const BATCH_BYTES: u128 = 256 << 20;
/// The most that a constant may take up, as it may be copied into every one of a batch's 8,192 rows,
/// which makes 1 GiB: 128 KiB.
const CONSTANT_BYTES: u128 = 128 << 10;

/// A function would return more than a function may.
#[derive(Debug, thiserror::Error)]
#[error("`{function}` would make a value of up to {bytes} bytes, at most {limit} are allowed")]
pub(crate) struct TooLarge {
    function: String,
    bytes: u128,
    limit: u128,
}

/// `udf`, bounded if it can return more than it was given.
pub(super) fn bound(udf: Arc<ScalarUDF>) -> Arc<ScalarUDF> {
    match GROWING.iter().find(|(name, _)| *name == udf.name()) {
        Some((_, growth)) => Arc::new(ScalarUDF::from(Bounded { inner: udf, growth: *growth })),
        None => udf,
    }
}

/// The operator `||` between texts, bounded.
pub(super) fn concatenation() -> Arc<ScalarUDF> {
    let inner = Arc::new(ScalarUDF::from(concatenation::Concatenation::new()));
    Arc::new(ScalarUDF::from(Bounded { inner, growth: Growth::Sum(1) }))
}

/// Whether `udf` is bounded already.
pub(super) fn is_bounded(udf: &ScalarUDF) -> bool {
    udf.inner().downcast_ref::<Bounded>().is_some()
}

/// A function and how its result grows. `simplify` is not passed on: what it returns would be the
/// function without its bound.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Bounded {
    inner: Arc<ScalarUDF>,
    growth: Growth,
}

impl Bounded {
    fn too_large(&self, bytes: u128, limit: u128) -> DataFusionError {
        let function = self.inner.name().to_owned();
        DataFusionError::External(Box::new(TooLarge { function, bytes, limit }))
    }

    fn estimate(&self, args: &ScalarFunctionArgs, rows: usize) -> u128 {
        estimate::most_bytes(self.growth, &Arguments { values: &args.args, rows })
    }

    /// Calls for the rows of `args`, in halves if need be, and adds the results to `done`.
    fn call(&self, args: ScalarFunctionArgs, done: &mut Done) -> Result<()> {
        let rows = args.number_rows;
        let bytes = self.estimate(&args, rows);
        if bytes > STEP_BYTES && rows > 1 {
            let half = rows / 2;
            self.call(part(&args, 0, half), done)?;
            return self.call(part(&args, half, rows - half), done);
        }
        if bytes > STEP_BYTES {
            return Err(self.too_large(bytes, STEP_BYTES));
        }
        let array = self.inner.invoke_with_args(args)?.into_array(rows)?;
        done.bytes += measure::bytes(&array);
        done.arrays.push(array);
        match done.bytes > BATCH_BYTES {
            true => Err(self.too_large(done.bytes, BATCH_BYTES)),
            false => Ok(()),
        }
    }
}

/// The results of some calls.
#[derive(Default)]
struct Done {
    arrays: Vec<ArrayRef>,
    bytes: u128,
}

fn part(args: &ScalarFunctionArgs, start: usize, rows: usize) -> ScalarFunctionArgs {
    let values = args.args.iter().map(|value| match value {
        ColumnarValue::Array(array) => ColumnarValue::Array(array.slice(start, rows)),
        ColumnarValue::Scalar(scalar) => ColumnarValue::Scalar(scalar.clone()),
    });
    ScalarFunctionArgs { args: values.collect(), number_rows: rows, ..args.clone() }
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arg_types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(arg_types)
    }

    fn is_strict(&self) -> bool {
        self.inner.inner().is_strict()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if args.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_))) {
            let bytes = self.estimate(&args, 1);
            return match bytes > CONSTANT_BYTES {
                true => Err(self.too_large(bytes, CONSTANT_BYTES)),
                false => self.inner.invoke_with_args(args),
            };
        }
        if self.estimate(&args, args.number_rows) <= STEP_BYTES {
            return self.inner.invoke_with_args(args);
        }
        let mut done = Done::default();
        self.call(args, &mut done)?;
        let arrays: Vec<_> = done.arrays.iter().map(AsRef::as_ref).collect();
        Ok(ColumnarValue::Array(compute::concat(&arrays)?))
    }
}
