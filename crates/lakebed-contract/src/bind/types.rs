//! Logical and physical types of contracts beside the types of columns.

use lakebed_core::{
    DataType,
    contract::{ContractColumn, LogicalType},
};

/// What of a column's types does not fit the type that its data has: the key of the contract, and
/// a sentence.
pub(super) fn misfits(
    column: &ContractColumn,
    data_type: &DataType,
) -> Vec<(&'static str, String)> {
    let mut misfits = Vec::new();
    if let Some(logical_type) = column.logical_type
        && !is_a(data_type, logical_type, column.options.timezone)
    {
        let zone = match column.options.timezone {
            Some(true) if logical_type == LogicalType::Timestamp => " with a time zone",
            Some(false) if logical_type == LogicalType::Timestamp => " without a time zone",
            _ => "",
        };
        let message = format!("the contract says {logical_type}{zone}, the table has {data_type}");
        misfits.push(("logicalType", message));
    }
    if let Some(text) = &column.physical_type
        && let Some(physical) = Physical::parse(text)
        && !physical.holds(data_type)
    {
        let message = format!("the contract says `{text}`, the table has {data_type}");
        misfits.push(("physicalType", message));
    }
    misfits
}

/// Whether values of a type are what a logical type says.
fn is_a(data_type: &DataType, logical_type: LogicalType, timezone: Option<bool>) -> bool {
    use DataType as D;
    match logical_type {
        LogicalType::String => matches!(data_type, D::String | D::Binary | D::Fixed(_)),
        LogicalType::Date => *data_type == D::Date,
        LogicalType::Time => *data_type == D::Time,
        LogicalType::Timestamp => match timezone {
            Some(true) => *data_type == D::Timestamptz,
            Some(false) => *data_type == D::Timestamp,
            None => matches!(data_type, D::Timestamp | D::Timestamptz),
        },
        LogicalType::Integer => {
            matches!(data_type, D::Int | D::Long | D::Decimal { scale: 0, .. })
        }
        LogicalType::Number => {
            matches!(data_type, D::Int | D::Long | D::Float | D::Double | D::Decimal { .. })
        }
        LogicalType::Boolean => *data_type == D::Boolean,
        LogicalType::Object => matches!(data_type, D::Struct(_) | D::Map(..)),
        LogicalType::Array => matches!(data_type, D::List(_)),
    }
}

/// Whether values of that type can be what the contract says of the column.
#[must_use]
pub fn fits_type(column: &ContractColumn, data_type: &DataType) -> bool {
    misfits(column, data_type).is_empty()
}

/// The type to read a column's text as; none where the contract leaves it open.
///
/// A physical type that says more than the logical one is followed: `decimal(9,2)` for a number.
#[must_use]
pub fn decode_type(column: &ContractColumn) -> Option<DataType> {
    let physical = column.physical_type.as_deref().and_then(Physical::parse);
    let exact = physical.as_ref().and_then(|physical| physical.exact.clone());
    let fits = |data_type: &DataType| {
        let logical = column.logical_type;
        logical.is_none_or(|logical| is_a(data_type, logical, column.options.timezone))
    };
    if let Some(exact) = exact.filter(fits) {
        return Some(exact);
    }
    Some(match column.logical_type? {
        LogicalType::String => DataType::String,
        LogicalType::Date => DataType::Date,
        LogicalType::Time => DataType::Time,
        LogicalType::Timestamp if column.options.timezone == Some(true) => DataType::Timestamptz,
        LogicalType::Timestamp if column.options.timezone == Some(false) => DataType::Timestamp,
        LogicalType::Integer => DataType::Long,
        LogicalType::Number => DataType::Double,
        LogicalType::Boolean => DataType::Boolean,
        LogicalType::Timestamp | LogicalType::Object | LogicalType::Array => return None,
    })
}

/// A family of types that a physical type belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Text,
    Whole,
    Binary,
    Real,
    Exact,
    Boolean,
    Date,
    Time,
    Timestamp,
}

/// A physical type, as far as many databases mean the same by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Physical {
    pub(crate) family: Family,
    /// Digits in all and after the point; or a length.
    pub(crate) sizes: Vec<u64>,
    /// The type of ours that means exactly the same.
    pub(crate) exact: Option<DataType>,
}

impl Physical {
    /// None for names that are not widely the same: nothing is asked of such columns.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let (name, rest) = text.split_once('(').unwrap_or((text.as_str(), ""));
        let (inside, behind) = rest.split_once(')').unwrap_or((rest, ""));
        let sizes: Option<Vec<u64>> = match inside.trim() {
            "" => Some(Vec::new()),
            inside => inside.split(',').map(|size| size.trim().parse().ok()).collect(),
        };
        let sizes = sizes?;
        let name = format!("{} {}", name.trim(), behind.trim());
        let (family, exact) = match name.trim() {
            "string" | "text" | "char" | "varchar" | "varchar2" | "nchar" | "nvarchar"
            | "nvarchar2" | "character" | "character varying" | "clob" | "utf8" => {
                (Family::Text, Some(DataType::String))
            }
            "int" | "integer" | "int4" | "int32" | "mediumint" | "smallint" | "tinyint"
            | "int2" | "int8_t" | "int16" => (Family::Whole, Some(DataType::Int)),
            "bigint" | "long" | "int8" | "int64" => (Family::Whole, Some(DataType::Long)),
            "float" | "real" | "float4" | "float32" | "double" | "double precision" | "float8"
            | "float64" => (Family::Real, Some(real(name.trim()))),
            "decimal" | "numeric" | "number" | "dec" => {
                let digits = |index: usize| sizes.get(index).and_then(|n| u8::try_from(*n).ok());
                let exact = digits(0).zip(digits(1).or(Some(0)));
                let exact = exact.filter(|(p, s)| (1..=38).contains(p) && s <= p);
                let exact = exact.map(|(precision, scale)| DataType::Decimal { precision, scale });
                (Family::Exact, exact)
            }
            "bool" | "boolean" => (Family::Boolean, Some(DataType::Boolean)),
            "date" => (Family::Date, Some(DataType::Date)),
            "time" => (Family::Time, Some(DataType::Time)),
            "timestamptz" | "timestamp with time zone" => {
                (Family::Timestamp, Some(DataType::Timestamptz))
            }
            "timestamp" | "datetime" | "timestamp without time zone" => (Family::Timestamp, None),
            "binary" | "varbinary" | "bytea" | "blob" | "bytes" => {
                (Family::Binary, Some(DataType::Binary))
            }
            _ => return None,
        };
        Some(Self { family, sizes, exact })
    }

    /// Whether both words name the same type. Lengths of texts are rules of their own.
    pub(crate) fn means(&self, other: &Self) -> bool {
        let sizes = self.family == Family::Text || self.sizes == other.sizes;
        self.family == other.family && self.exact == other.exact && sizes
    }

    /// Whether every value of this type is one of the other's, exactly.
    pub(crate) fn widens_to(&self, other: &Self) -> bool {
        let exact = self.exact.as_ref().zip(other.exact.as_ref());
        exact.is_some_and(|(ours, theirs)| ours.widens_to(theirs))
    }

    /// Whether a column of that type keeps to this one: the family, and of decimals the digits.
    fn holds(&self, data_type: &DataType) -> bool {
        use DataType as D;
        match (self.family, data_type) {
            (Family::Exact, D::Decimal { precision, scale }) => match self.exact {
                Some(D::Decimal { precision: most, scale: behind }) => {
                    *scale <= behind && precision - scale <= most - behind
                }
                _ => true,
            },
            (Family::Text, D::String)
            | (Family::Whole, D::Int | D::Long | D::Decimal { scale: 0, .. })
            | (Family::Binary, D::Binary | D::Fixed(_))
            | (Family::Real, D::Float | D::Double | D::Decimal { .. } | D::Int | D::Long)
            | (Family::Exact, D::Int | D::Long | D::Float | D::Double)
            | (Family::Boolean, D::Boolean)
            | (Family::Date, D::Date)
            | (Family::Time, D::Time)
            | (Family::Timestamp, D::Timestamp | D::Timestamptz) => true,
            _ => false,
        }
    }
}

fn real(name: &str) -> DataType {
    match name {
        // `float` alone is 32 bits here and 64 there: the wider one loses nothing.
        "real" | "float4" | "float32" => DataType::Float,
        _ => DataType::Double,
    }
}
