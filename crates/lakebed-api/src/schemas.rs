//! OpenAPI schemas of values whose JSON `lakebed-core` defines.
//!
//! Never constructed: core stays free of OpenAPI, and these say what its serde writes. A test holds
//! the two against each other.

#![expect(unused_qualifications, reason = "utoipa's derive spells out paths")]

use std::{borrow::Cow, collections::BTreeMap};

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr,
        schema::{ObjectBuilder, OneOfBuilder, Schema, Type},
    },
};

/// What a dataset's versions are made of.
#[derive(ToSchema)]
#[schema(as = DatasetKind)]
#[serde(rename_all = "lowercase")]
pub enum DatasetKindSchema {
    /// Rows and columns, stored as Parquet.
    Table,
    /// Originals that are no table.
    Files,
}

/// What a new version is, seen from its parent.
#[derive(ToSchema)]
#[schema(as = IngestMode)]
#[serde(rename_all = "lowercase")]
pub enum IngestModeSchema {
    /// Exactly the sources given.
    Replace,
    /// The parent's rows and then the sources'.
    Append,
}

/// What the user says about how to read sources; what is unsaid is detected.
#[derive(ToSchema)]
#[schema(as = DecodeOptions)]
pub struct DecodeOptionsSchema {
    /// The format; by the sources' names and first bytes when unsaid.
    pub format: Option<FormatSchema>,
    /// The encoding of text, by any of its names on the web (`windows-1252`, `latin1`, `utf-16le` …);
    /// by byte order mark and content when unsaid.
    pub encoding: Option<String>,
    /// The character between fields (CSV); detected among `,` tab `;` `|` when unsaid.
    #[schema(min_length = 1, max_length = 1)]
    pub delimiter: Option<String>,
    /// The quote character (CSV); `"` when unsaid.
    #[schema(min_length = 1, max_length = 1)]
    pub quote: Option<String>,
    /// Whether the first record names the columns (CSV); detected when unsaid.
    pub header: Option<HeaderSchema>,
    /// Texts that mean "no value", besides the empty unquoted field (CSV).
    #[schema(required = false)]
    pub null_tokens: Vec<String>,
    /// Lines before the table (CSV) or rows before it (Excel); detected when unsaid.
    pub skip_lines: Option<u64>,
    /// The character that comment lines begin with (CSV), or `none`; detected when unsaid.
    pub comment: Option<String>,
    /// What becomes of rows that repeat the header; skipped when unsaid.
    pub repeated_headers: Option<RepeatedHeadersSchema>,
    /// How numbers and dates are written; as in `1234.5` and `2024-12-31` when unsaid.
    #[schema(required = false)]
    pub spelling: SpellingSchema,
    /// The sheet of an Excel workbook; the only one that holds something when unsaid.
    pub sheet: Option<String>,
    /// The cells of the sheet, as in `A1:F100`; all when unsaid.
    pub range: Option<String>,
    /// Declared types by column name.
    #[schema(required = false, value_type = BTreeMap<String, DataTypeSchema>)]
    pub types: BTreeMap<String, DataTypeSchema>,
    /// Declared changes of the dataset's schema, in order; the sources have the new shape.
    #[schema(required = false)]
    pub evolve: Vec<EvolutionSchema>,
    /// The largest part of rows that may be quarantined, 0.0 to 1.0.
    #[schema(minimum = 0, maximum = 1)]
    pub max_quarantined: Option<f64>,
    /// The most rows that may be quarantined; where both are given, both hold.
    pub max_quarantined_rows: Option<u64>,
}

/// A change of a dataset's schema that is meant. Field ids stay.
#[derive(ToSchema)]
#[schema(as = Evolution)]
#[serde(rename_all = "snake_case")]
pub enum EvolutionSchema {
    /// A column has another name from now on.
    Rename {
        /// Its name so far.
        from: String,
        /// Its name from now on.
        to: String,
    },
    /// A column has another type from now on.
    Retype {
        /// The column.
        column: String,
        /// Its type from now on.
        #[schema(rename = "type")]
        data_type: DataTypeSchema,
    },
    /// A column is no more.
    Drop {
        /// The column.
        column: String,
    },
}

/// A format sources can be read as.
#[derive(ToSchema)]
#[schema(as = Format)]
#[serde(rename_all = "lowercase")]
pub enum FormatSchema {
    /// Delimited text.
    Csv,
    /// Apache Parquet.
    Parquet,
    /// JSON: objects in an array, or one after the other.
    Json,
    /// JSON: an object on each line.
    Ndjson,
    /// An Excel workbook.
    Xlsx,
    /// No table: kept as it is.
    Files,
}

/// Whether the first record of a delimited text names the columns.
#[derive(ToSchema)]
#[schema(as = Header)]
#[serde(rename_all = "lowercase")]
pub enum HeaderSchema {
    /// It does.
    Present,
    /// It is data; columns are named `column_1`, `column_2` …
    Absent,
}

/// What becomes of rows that repeat the header, as in files that were joined.
#[derive(ToSchema)]
#[schema(as = RepeatedHeaders)]
#[serde(rename_all = "lowercase")]
pub enum RepeatedHeadersSchema {
    /// They are rows.
    Kept,
    /// They are no rows.
    Skipped,
}

/// The lines of a text that are comments.
#[derive(ToSchema)]
#[schema(as = Comment)]
pub struct CommentSchema {
    /// What they begin with.
    #[schema(min_length = 1, max_length = 1)]
    pub begin: String,
    /// Whether a line that begins with it is a row all the same if it has a row's fields; absent means no.
    #[schema(required = false)]
    pub except_rows: bool,
}

/// How numbers and dates are written, where not as in `1234.5` and `2024-12-31`.
#[derive(ToSchema)]
#[schema(as = Spelling)]
pub struct SpellingSchema {
    /// What stands before the fraction of a number; a point when unsaid.
    #[schema(min_length = 1, max_length = 1)]
    pub decimal: Option<String>,
    /// What stands between groups of three digits; nothing when unsaid.
    #[schema(min_length = 1, max_length = 1)]
    pub thousands: Option<String>,
    /// The order of day, month and year, apart from ISO 8601's.
    pub dates: Option<DateOrderSchema>,
}

/// The order of day, month and year.
#[derive(ToSchema)]
#[schema(as = DateOrder)]
#[serde(rename_all = "lowercase")]
pub enum DateOrderSchema {
    /// `31/12/2024`.
    Dmy,
    /// `12/31/2024`.
    Mdy,
    /// `2024/12/31`.
    Ymd,
}

/// Compression around a source.
#[derive(ToSchema)]
#[schema(as = Compression)]
#[serde(rename_all = "lowercase")]
pub enum CompressionSchema {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

/// Everything needed to decode a source again and get the same rows.
#[derive(ToSchema)]
#[schema(as = Decode)]
#[serde(tag = "format", rename_all = "lowercase")]
pub enum DecodeSchema {
    /// Delimited text.
    Csv(CsvDecodeSchema),
    /// JSON.
    Json(JsonDecodeSchema),
    /// A sheet of an Excel workbook.
    Xlsx(XlsxDecodeSchema),
    /// Apache Parquet.
    Parquet {
        /// The columns in the source's order and the types they were read as.
        columns: Vec<ColumnSchema>,
    },
}

/// Resolved options of a delimited text.
#[derive(ToSchema)]
#[schema(as = CsvDecode)]
pub struct CsvDecodeSchema {
    /// The compression around it.
    pub compression: Option<CompressionSchema>,
    /// The encoding, by its name in lower case; UTF-8 when unsaid.
    pub encoding: Option<String>,
    /// The character between fields.
    #[schema(min_length = 1, max_length = 1)]
    pub delimiter: String,
    /// The quote.
    #[schema(min_length = 1, max_length = 1)]
    pub quote: String,
    /// Whether the first record names the columns.
    pub header: HeaderSchema,
    /// Lines before the table that are no part of it; absent means none.
    #[schema(required = false)]
    pub skip_lines: u64,
    /// Lines that are comments, if any are.
    pub comment: Option<CommentSchema>,
    /// What became of rows that repeat the header; absent means kept.
    #[schema(required = false)]
    pub repeated_headers: RepeatedHeadersSchema,
    /// How numbers and dates are written.
    #[schema(required = false)]
    pub spelling: SpellingSchema,
    /// The rules by which records are told apart; absent means 1, those of the first builds.
    #[schema(required = false)]
    pub reader: u32,
    /// Texts that mean "no value", besides the empty unquoted field; sorted.
    pub null_tokens: Vec<String>,
    /// The columns in the source's order and the types they were read as.
    pub columns: Vec<ColumnSchema>,
}

/// Resolved options of JSON.
#[derive(ToSchema)]
#[schema(as = JsonDecode)]
pub struct JsonDecodeSchema {
    /// The compression around it.
    pub compression: Option<CompressionSchema>,
    /// How records follow each other.
    pub form: JsonFormSchema,
    /// Texts that mean "no value", besides null; sorted.
    pub null_tokens: Vec<String>,
    /// The keys of the columns, where some are not the columns' names; else empty.
    #[schema(required = false)]
    pub keys: Vec<String>,
    /// The columns in the order their keys first appear, and the types they were read as.
    pub columns: Vec<ColumnSchema>,
}

/// How the records of JSON follow each other.
#[derive(ToSchema)]
#[schema(as = JsonForm)]
#[serde(rename_all = "lowercase")]
pub enum JsonFormSchema {
    /// One on each line.
    Lines,
    /// As the elements of one array.
    Array,
    /// One after the other, on as many lines as they take.
    Values,
}

/// Resolved options of a sheet of an Excel workbook.
#[derive(ToSchema)]
#[schema(as = XlsxDecode)]
pub struct XlsxDecodeSchema {
    /// The sheet's name.
    pub sheet: String,
    /// The cells that were read, as in `A1:F100`.
    pub range: String,
    /// Rows before the table that are no part of it; absent means none.
    #[schema(required = false)]
    pub skip_rows: u64,
    /// Whether the first row names the columns.
    pub header: HeaderSchema,
    /// What became of rows that repeat the header; absent means kept.
    #[schema(required = false)]
    pub repeated_headers: RepeatedHeadersSchema,
    /// How numbers and dates in texts are written.
    #[schema(required = false)]
    pub spelling: SpellingSchema,
    /// Texts that mean "no value", besides the empty cell; sorted.
    pub null_tokens: Vec<String>,
    /// The columns in the sheet's order and the types they were read as.
    pub columns: Vec<ColumnSchema>,
}

/// A column of a source and the type it was read as.
#[derive(ToSchema)]
#[schema(as = Column)]
pub struct ColumnSchema {
    /// The column of the dataset.
    pub name: String,
    /// The type.
    #[schema(rename = "type")]
    pub data_type: DataTypeSchema,
    /// Whether the user declared the type, so that text is read leniently; absent means no.
    #[schema(required = false)]
    pub declared: bool,
}

/// Rows, and for text the bytes they take up with their line ends, after decompression.
#[derive(ToSchema)]
#[schema(as = Tally)]
pub struct TallySchema {
    /// Rows.
    pub rows: u64,
    /// Bytes; 0 for binary formats, which count rows.
    pub bytes: u64,
}

/// Ranges of one kind that hold no row.
#[derive(ToSchema)]
#[schema(as = Skipped)]
pub struct SkippedSchema {
    /// What they hold.
    pub what: SkipKindSchema,
    /// How many ranges.
    pub ranges: u64,
    /// Their bytes in all.
    pub bytes: u64,
}

/// What a range without rows holds.
#[derive(ToSchema)]
#[schema(as = SkipKind)]
#[serde(rename_all = "lowercase")]
pub enum SkipKindSchema {
    /// A byte order mark.
    Bom,
    /// The names of the columns.
    Header,
    /// Lines before the table that are no part of it.
    Preamble,
    /// Lines of comment.
    Comment,
    /// Rows that repeat the header.
    Repeated,
    /// Blank lines.
    Blank,
    /// Brackets, commas and white space around the records of JSON.
    Punctuation,
}

/// The columns of a table, as in Iceberg's schema JSON.
#[derive(ToSchema)]
#[schema(as = TableSchema)]
pub struct TableSchemaSchema {
    /// The columns, in order.
    pub fields: Vec<FieldSchema>,
    /// The highest field id ever given in the dataset, nested fields included.
    pub last_field_id: u32,
    /// Columns that were dropped, should their names return.
    #[schema(required = false)]
    pub former: Vec<FormerFieldSchema>,
}

/// A column that was dropped.
#[derive(ToSchema)]
#[schema(as = FormerField)]
pub struct FormerFieldSchema {
    /// Its field id.
    pub id: u32,
    /// Its name.
    pub name: String,
}

/// A column, or a field of a struct.
#[derive(ToSchema)]
#[schema(as = Field, no_recursion)]
pub struct FieldSchema {
    /// Stable for the life of the dataset.
    pub id: u32,
    /// As the producer wrote it.
    pub name: String,
    /// Whether a null is impossible.
    pub required: bool,
    /// Its type.
    #[schema(rename = "type")]
    pub data_type: DataTypeSchema,
}

/// A type: a word, or an object for the nested ones, as in Iceberg's schema JSON.
pub struct DataTypeSchema;

impl PartialSchema for DataTypeSchema {
    fn schema() -> RefOr<Schema> {
        let flat = ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "boolean, int, long, float, double, decimal(p,s), date, time, timestamp, \
                 timestamptz, string, binary, fixed[n]",
            ))
            .examples(["long", "decimal(9,2)"]);
        let nested = ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some("struct, list or map, by its property `type`"));
        OneOfBuilder::new()
            .description(Some("A type, as in Iceberg's schema JSON."))
            .item(flat)
            .item(nested)
            .into()
    }
}

impl ToSchema for DataTypeSchema {
    fn name() -> Cow<'static, str> {
        "DataType".into()
    }
}

/// Texts with a shape of their own, each a pattern that says exactly what is taken.
macro_rules! texts {
    ($($(#[$doc:meta])* $schema:ident $name:literal $description:literal $pattern:literal $example:literal;)+) => {$(
        $(#[$doc])*
        pub struct $schema;

        impl PartialSchema for $schema {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .description(Some($description))
                    .pattern(Some($pattern))
                    .examples([$example])
                    .into()
            }
        }

        impl ToSchema for $schema {
            fn name() -> Cow<'static, str> {
                $name.into()
            }
        }
    )+};
}

texts! {
    /// A dataset's name.
    DatasetNameSchema "DatasetName" "A dataset: `namespace.dataset`."
        r"^[a-z][a-z0-9_]{0,62}\.[a-z][a-z0-9_]{0,62}$" "sales.orders";
    /// A reference to a version.
    ReferenceSchema "Reference" "A reference: `namespace.dataset[@selector]`."
        r"^[a-z][a-z0-9_]{0,62}\.[a-z][a-z0-9_]{0,62}(@[0-9A-Za-z_:.+-]{1,64})?$" "sales.orders@v12";
    /// A stage's name.
    StageNameSchema "StageName" "A stage: `raw`, `validated`, `product`, or as it is declared."
        "^[a-z][a-z0-9_]{0,62}$" "product";
    /// Which gate.
    GateNameSchema "GateName" "A gate, whatever it asks for."
        "^(integrity|owner|documented|contract|compatible|lineage|quarantine|fresh|approvals)$" "fresh";
    /// A gate before a stage.
    GateSchema "Gate" "A gate: a word, or `lineage(STAGE)`, `approvals(N)`."
        "^[a-z]+(\\([a-z0-9_]+\\))?$" "approvals(1)";
    /// An object's name.
    DigestSchema "Digest" "A BLAKE3: 64 lower-case hex digits."
        "^[0-9a-f]{64}$" "9f2c61d0a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e";
}

/// Some actions on one target: a part of what a token is good for.
#[derive(ToSchema)]
#[schema(as = ScopeEntry)]
pub struct ScopeEntrySchema {
    /// What may be done.
    pub may: Vec<ActionSchema>,
    /// Where.
    pub on: TargetSchema,
}

/// Something that can be done.
#[derive(ToSchema)]
#[schema(as = Action)]
#[serde(rename_all = "lowercase")]
pub enum ActionSchema {
    /// Know that it exists.
    Discover,
    /// See its data.
    Read,
    /// Make versions.
    Ingest,
    /// Say what it is.
    Steward,
    /// Consent to promotions.
    Approve,
    /// See what happened.
    Audit,
    /// Say who may do what.
    Admin,
}

/// Where something can be done: `"lake"`, `{"namespace": "crm"}` or `{"dataset": "crm.customers"}`.
#[derive(ToSchema)]
#[schema(as = Target)]
#[serde(rename_all = "lowercase")]
pub enum TargetSchema {
    /// Everywhere.
    Lake,
    /// In every dataset of a namespace.
    Namespace(String),
    /// In one dataset.
    Dataset(String),
}

/// How long something is allowed: `"never"`, `{"until": time}` or `"always"`.
#[derive(ToSchema)]
#[schema(as = Reach)]
#[serde(rename_all = "lowercase")]
pub enum ReachSchema {
    /// Not at all.
    Never,
    /// To this moment, RFC 3339.
    Until(String),
    /// As long as it is declared.
    Always,
}

/// The value of an attribute.
#[derive(ToSchema)]
#[schema(as = AttributeValue)]
#[serde(untagged)]
pub enum AttributeValueSchema {
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(String),
}

/// One permission.
#[derive(ToSchema)]
#[schema(as = Grant)]
pub struct GrantSchema {
    /// To a principal, or to a `group:…`.
    #[schema(example = "group:analysts")]
    pub to: String,
    /// What they may do.
    #[schema(min_items = 1)]
    pub may: Vec<ActionSchema>,
    /// Where.
    pub on: TargetSchema,
    /// From which stage up.
    #[schema(example = "raw")]
    pub from_stage: String,
    /// The last moment at which it gives something, RFC 3339.
    #[schema(format = DateTime)]
    pub until: Option<String>,
}

/// Everything that is declared.
#[derive(ToSchema)]
#[schema(as = Declared)]
pub struct DeclaredSchema {
    /// Always 1 so far.
    #[schema(minimum = 1, maximum = 1)]
    pub format: u32,
    /// Groups and their members.
    #[schema(required = false)]
    pub groups: BTreeMap<String, Vec<String>>,
    /// Groups whose members the identity provider names.
    #[schema(required = false)]
    pub claimed_groups: Vec<String>,
    /// Principals about whom something is declared.
    #[schema(required = false)]
    pub principals: BTreeMap<String, DeclaredPrincipalSchema>,
    /// Who may do what.
    #[schema(required = false)]
    pub grants: Vec<GrantSchema>,
    /// What is promised of datasets, by name: contracts as ARCHITECTURE.md says they are stored.
    #[schema(required = false)]
    pub contracts: BTreeMap<String, ContractSchema>,
    /// Datasets that are computed from others, by name.
    #[schema(required = false)]
    pub products: BTreeMap<String, ProductSchema>,
    /// What some do not see of what they may read; no two have the same name.
    #[schema(required = false)]
    pub policies: Vec<PolicySchema>,
    /// Columns that somebody has looked at since their dataset came under a policy, by dataset.
    #[schema(required = false)]
    pub reviewed: BTreeMap<String, Vec<String>>,
    /// The stages and their gates; none for the usual ones.
    pub stages: Option<LadderSchema>,
}

/// The stages of a lake, from the first to the last.
#[derive(ToSchema)]
#[schema(as = Ladder)]
pub struct LadderSchema {
    /// One person does it all: their own approvals count, and promotions say so.
    #[schema(required = false)]
    pub solo: bool,
    /// The stages; the first is `raw`.
    #[schema(min_items = 1, max_items = 16)]
    pub stages: Vec<StageSchema>,
}

/// A rung of the ladder.
#[derive(ToSchema)]
#[schema(as = Stage)]
pub struct StageSchema {
    /// Its name.
    pub name: StageNameSchema,
    /// What must hold of a version that comes here.
    #[schema(required = false)]
    pub gates: Vec<GateSchema>,
    /// Which of them a steward may waive.
    #[schema(required = false)]
    pub waivable: Vec<GateNameSchema>,
}

/// A dataset that is computed from others.
#[derive(ToSchema)]
#[schema(as = Product)]
pub struct ProductSchema {
    /// Who answers for it, and as whom it is built.
    #[schema(example = "alice")]
    pub owner: String,
    /// What it is for.
    #[schema(min_length = 1)]
    pub purpose: String,
    /// The query that makes it.
    #[schema(example = "SELECT region, count(*) AS orders FROM sales.orders GROUP BY region")]
    pub sql: String,
    /// References without a selector mean the heads of this stage.
    #[schema(example = "raw")]
    pub input_stage: String,
    /// The columns that its rows are ordered by, before all others.
    #[schema(required = false)]
    pub order_by: Vec<String>,
    /// When its rows are computed; when it is built, unless said.
    #[schema(required = false)]
    pub served: ServedSchema,
    /// When it is built; when somebody asks for it, unless said.
    #[schema(required = false)]
    pub refresh: RefreshSchema,
    /// Questions about it that have a name, and an address of their own.
    #[schema(required = false)]
    pub queries: BTreeMap<String, ProductQuerySchema>,
}

/// A query over a product, for whoever may read the product.
#[derive(ToSchema)]
#[schema(as = ProductQuery)]
pub struct ProductQuerySchema {
    /// What it answers.
    #[schema(min_length = 1)]
    pub purpose: String,
    /// The query; it reads the product and nothing else.
    pub sql: String,
    /// Its parameters by name: `$name` in the query.
    #[schema(required = false)]
    pub parameters: BTreeMap<String, QueryParameterSchema>,
}

/// A parameter of a query.
#[derive(ToSchema)]
#[schema(as = QueryParameter)]
pub struct QueryParameterSchema {
    /// The type of its values.
    #[schema(rename = "type", example = "long")]
    pub data_type: String,
    /// What it means.
    pub description: Option<String>,
    /// Whether it has to be given.
    #[schema(required = false)]
    pub required: bool,
    /// Its value where it is not given; null where there is none.
    pub default: Option<String>,
}

/// When the rows of a product are computed.
#[derive(ToSchema)]
#[schema(as = Served)]
#[serde(rename_all = "snake_case")]
pub enum ServedSchema {
    /// When it is built.
    Materialized,
    /// When they are asked for, of what its references mean then.
    Live,
}

/// When a product is built.
#[derive(ToSchema)]
#[schema(as = Refresh)]
#[serde(rename_all = "snake_case")]
pub enum RefreshSchema {
    /// When somebody asks for it.
    Manual,
    /// When an input has another head, while a server runs.
    OnChange,
    /// So many minutes after it was last looked at, while a server runs.
    EveryMinutes(u32),
}

/// One restriction; of `row_filter`, `mask` and `hide` it has one.
#[derive(ToSchema)]
#[schema(as = Policy)]
pub struct PolicySchema {
    /// Its name.
    #[schema(example = "own-region", pattern = "^[a-z][a-z0-9_-]{0,62}$")]
    pub name: String,
    /// What it is about.
    pub on: PolicyTargetSchema,
    /// The columns that `mask` and `hide` are about; none on a tag.
    #[schema(required = false)]
    pub columns: Vec<String>,
    /// Rows of which this is not true are not there.
    #[schema(example = "region = principal.region")]
    pub row_filter: Option<String>,
    /// What values look like.
    pub mask: Option<MaskSchema>,
    /// Whether the columns are not there.
    #[schema(required = false)]
    pub hide: bool,
    /// Principals, and groups as `group:…`, that it is not about.
    #[schema(required = false)]
    pub except: Vec<String>,
}

/// What a policy is about.
#[derive(ToSchema)]
#[schema(as = PolicyTarget)]
#[serde(rename_all = "lowercase")]
pub enum PolicyTargetSchema {
    /// Every dataset.
    Lake,
    /// Every dataset of a namespace.
    Namespace(String),
    /// One dataset.
    Dataset(String),
    /// Every column with this tag, and all that is in a dataset with it; contracts say which.
    Tag(String),
}

/// What is seen in place of a value.
#[derive(ToSchema)]
#[schema(as = Mask)]
#[serde(rename_all = "snake_case")]
pub enum MaskSchema {
    /// Null.
    Null,
    /// `***`, of texts.
    Redact,
    /// A keyed digest, of texts and longs.
    Hash,
    /// A few characters of a text.
    Partial(PartialMaskSchema),
    /// The first day or moment of `year`, `quarter`, `month` or `day`.
    DateTrunc(String),
    /// The next multiple of this at or below a number.
    Bucket(u64),
}

/// Which characters of a text stay.
#[derive(ToSchema)]
#[schema(as = Partial)]
#[serde(rename_all = "snake_case")]
pub enum PartialMaskSchema {
    /// The first so many.
    KeepFirst(u16),
    /// The last so many.
    KeepLast(u16),
}

/// What a producer promises of a dataset, as it is stored.
#[derive(ToSchema)]
#[schema(as = Contract)]
pub struct ContractSchema {
    /// Which contract this is, for ever.
    #[schema(min_length = 1)]
    pub id: String,
    /// Its version, by semantic versioning.
    #[schema(example = "1.0.0", min_length = 1)]
    pub version: String,
    /// Where it is in its life: `proposed`, `draft`, `active`, `deprecated`, `retired`.
    #[schema(example = "active")]
    pub status: String,
    /// What the contract calls the table.
    #[schema(min_length = 1)]
    pub object: String,
}

/// What is declared of a principal.
#[derive(ToSchema)]
#[schema(as = DeclaredPrincipal)]
pub struct DeclaredPrincipalSchema {
    /// Its attributes.
    #[schema(required = false)]
    pub attributes: BTreeMap<String, AttributeValueSchema>,
}
