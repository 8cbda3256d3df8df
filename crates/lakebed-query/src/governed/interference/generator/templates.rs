//! What expressions are made of, by what they give. Holes are in braces: a kind is any expression of
//! it, a column's name is that column if it is there, `again` is what the first hole was filled with,
//! and the rest are literals.

/// What an expression gives, as far as others care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Long,
    Text,
    Bool,
    Double,
    Decimal,
    Date,
    Stamp,
    Bytes,
    Longs,
    Texts,
    Point,
    Counts,
}

pub(super) const KINDS: [Kind; 12] = [
    Kind::Long,
    Kind::Text,
    Kind::Bool,
    Kind::Double,
    Kind::Decimal,
    Kind::Date,
    Kind::Stamp,
    Kind::Bytes,
    Kind::Longs,
    Kind::Texts,
    Kind::Point,
    Kind::Counts,
];

impl Kind {
    /// Whether there are order, equality and groups of it.
    pub(super) const fn is_plain(self) -> bool {
        !matches!(self, Self::Point | Self::Counts)
    }
}

/// The columns that are seen of a table, in the first version and later.
pub(super) const COLUMNS: [(&str, Kind); 30] = [
    ("id", Kind::Long),
    ("region", Kind::Text),
    ("amount", Kind::Long),
    ("price", Kind::Decimal),
    ("score", Kind::Double),
    ("day", Kind::Date),
    ("note", Kind::Text),
    ("email", Kind::Text),
    ("born", Kind::Date),
    ("salary", Kind::Long),
    ("ssn", Kind::Text),
    ("phone", Kind::Text),
    ("small", Kind::Long),
    ("flag", Kind::Bool),
    ("at", Kind::Stamp),
    ("pattern", Kind::Text),
    ("code", Kind::Text),
    ("tags", Kind::Longs),
    ("words", Kind::Texts),
    ("point", Kind::Point),
    ("counts", Kind::Counts),
    ("data", Kind::Bytes),
    ("nick", Kind::Text),
    ("card", Kind::Text),
    ("seen_at", Kind::Stamp),
    ("weight", Kind::Double),
    ("cost", Kind::Decimal),
    ("grade", Kind::Long),
    ("badge", Kind::Long),
    ("perks", Kind::Texts),
];

/// How many of them the first version has.
pub(super) const OLD_COLUMNS: usize = 12;

/// Expressions of a row.
#[rustfmt::skip]
pub(super) const SCALAR: [(Kind, &[&str]); 12] = [
    (Kind::Long, &[
        "({long} + {n})", "({long} - {long})", "({long} * {n})", "({long} % {n})",
        "({long} / {n})", "(0 - {long})", "({long} & {n})", "({long} | {n})", "({long} ^ {n})",
        "({long} << {n})", "({long} >> {n})", "abs({long})", "factorial({n})",
        "gcd({long}, {n})", "lcm({n}, {long} % 10)", "ascii({text})", "bit_length({text})",
        "octet_length({text})", "character_length({text})", "find_in_set({text}, 'EU,1,{n}')",
        "levenshtein({text}, {text})", "strpos({text}, {literal})",
        "position({literal} IN {text})", "regexp_count({text}, {regex})",
        "regexp_instr({text}, {regex})", "date_part({unit}, {date})",
        "date_part('hour', {stamp})", "extract(year FROM {date})",
        "CAST(to_unixtime({stamp}) AS BIGINT)", "CAST(array_length({longs}) AS BIGINT)",
        "CAST(cardinality({texts}) AS BIGINT)", "CAST(array_ndims({longs}) AS BIGINT)",
        "CAST(array_position({longs}, {n}) AS BIGINT)", "array_element({longs}, {n})",
        "{longs}[{n}]", "array_max({longs})", "array_min({longs})",
        "CAST(array_sum({longs}) AS BIGINT)", "array_any_value({longs})",
        "CAST(array_product(array_slice({longs}, 1, 2)) AS BIGINT)", "get_field({point}, 'x')",
        "{point}['x']", "coalesce({long}, {n})", "nullif({long}, {n})", "nvl({long}, {n})",
        "nvl2({long}, {long}, {n})", "greatest({long}, {n})", "least({long}, {long})",
        "CASE WHEN {bool} THEN {long} ELSE {n} END", "CASE {long} WHEN {n} THEN {long} END",
        "CAST({decimal} AS BIGINT)", "CAST(round({score}) AS BIGINT)",
        "TRY_CAST({text} AS BIGINT)", "CAST({bool} AS INT)", "map_extract({counts}, 'a')[1]",
        "{counts}['a']", "CAST(random() AS BIGINT)", "length(uuid())",
        "date_part('year', now())", "date_part('minute', current_time())",
        "date_part('month', current_date())", "CAST(signum({long}) AS BIGINT)",
        "CAST(array_length(arrays_zip({longs}, {texts})) AS BIGINT)",
        "CAST(array_length(map_entries({counts})) AS BIGINT)",
        "get_field(struct({long}, {text}), 'c0')", "CAST(trunc({decimal}) AS BIGINT)",
        "get_field(named_struct('x', {long}), 'x')",
        "CAST(array_length(array_dims({longs})) AS BIGINT)",
        "CAST(array_length(array_positions({longs}, {n})) AS BIGINT)",
    ]),
    (Kind::Text, &[
        "btrim({text}, {literal})", "trim(BOTH '1' FROM {text})", "chr({n} + 64)",
        "concat({text}, {literal}, {long})", "concat_ws('-', {text}, {text})",
        "initcap({text})", "left({text}, {z})", "right({text}, {z})", "lower({text})",
        "upper({text})", "lpad({text}, {n}, 'x')", "rpad({text}, {n})", "ltrim({text}, '1')",
        "rtrim({text})", "overlay({text} PLACING {literal} FROM {n} FOR 1)",
        "repeat({text}, {n})", "replace({text}, {literal}, '#')", "reverse({text})",
        "split_part({text}, '-', {n})", "substr({text}, {n})",
        "substring({text} FROM {n} FOR 2)", "substr_index({text}, '1', 1)", "to_hex({long})",
        "translate({text}, '123', 'abc')", "regexp_replace({text}, {regex}, 'x')",
        "regexp_replace({text}, {regex}, 'x', 'g')", "regexp_match({text}, {regex})[1]",
        "array_to_string({texts}, ',')", "array_to_string({longs}, '+', '*')",
        "encode({bytes}, 'hex')", "encode({bytes}, 'base64')", "md5({text})",
        "arrow_typeof({long})", "to_char({stamp}, '%Y-%m')", "to_char({date}, '%d')",
        "CAST({long} AS VARCHAR)", "CAST({date} AS VARCHAR)", "CAST({decimal} AS VARCHAR)",
        "CAST({longs} AS VARCHAR)", "CAST({stamp} AS VARCHAR)", "({text} || {text})",
        "({text} || {long})", "coalesce({text}, {literal})", "nullif({text}, {literal})",
        "nvl2({long}, {text}, {literal})", "greatest({text}, {text})", "least({text}, 'M')",
        "CASE WHEN {bool} THEN {text} ELSE {literal} END", "{texts}[1]",
        "array_element({texts}, {n})", "get_field({point}, 'y')",
        "CAST(to_time('12:34:5{n}') AS VARCHAR)", "CAST(make_time({n}, {n}, {n}) AS VARCHAR)",
        "CAST(to_local_time({stamp}) AS VARCHAR)", "CAST(current_time() AS VARCHAR)",
        "left(uuid(), 0)", "get_field(struct({long}, {text}), 'c1')",
        "array_any_value({texts})", "get_field(map_entries({counts})[1], 'key')",
        "array_max({texts})", "arrow_typeof({longs})", "arrow_typeof({point})",
    ]),
    (Kind::Bool, &[
        "({long} = {n})", "({long} < {long})", "({long} <> {n})", "({long} >= {z})",
        "({decimal} > {n}.5)", "({double} <= {n}.5)", "({date} >= DATE '2024-06-0{n}')",
        "({stamp} < TIMESTAMP '2025-01-01T00:00:00Z')", "({text} = {literal})",
        "({text} > {literal})", "({text} LIKE {like})", "({text} NOT LIKE {like})",
        "({text} ILIKE {like})", "({text} SIMILAR TO '%(1|2)%')", "({text} ~ {regex})",
        "({text} !~ {regex})", "({text} ~* {regex})", "({long} BETWEEN 1 AND {n})",
        "({decimal} NOT BETWEEN 0 AND {n})", "({long} IN (1, 2, {n}))",
        "({text} NOT IN ('EU', {literal}))", "({text} IS NULL)", "({long} IS NOT NULL)",
        "({bool} IS TRUE)", "({bool} IS NOT UNKNOWN)", "({long} IS DISTINCT FROM {n})",
        "(NOT {bool})", "({bool} AND {bool})", "({bool} OR {bool})", "isnan({double})",
        "iszero({double})", "contains({text}, {literal})", "ends_with({text}, {literal})",
        "starts_with({text}, {literal})", "regexp_like({text}, {regex})",
        "array_has({longs}, {n})", "array_has_all({longs}, [{n}])",
        "array_has_any({texts}, ['red', {literal}])", "empty({longs})", "(random() < 2)",
        "({bytes} = sha256({text}))", "coalesce({bool}, true)", "({longs} = {longs})",
        "CASE WHEN {long} > {n} THEN {bool} ELSE false END", "({id} % 3 <> 1)",
        "({amount} < {n} OR {note} <> '{n}')", "({text} IS DISTINCT FROM {text})",
        "({salary} <= {n}500)", "({salary} = {n}000)", "({email} <> '***000{n}')",
        "({ssn} IS NULL)", "({born} < DATE '200{n}-06-01')", "({phone} <> '+49 {n}')",
        "({grade} > 1)", "({cost} < {n}.50)",
    ]),
    (Kind::Double, &[
        "acos({double})", "acosh({double})", "asin({double})", "asinh({double})",
        "atan({double})", "atan2({double}, {double})", "atanh({double})", "cbrt({double})",
        "ceil({double})", "floor({double})", "cos({double})", "cosh({score})", "cot({double})",
        "degrees({double})", "exp({score})", "ln({double})", "log(2, {double})",
        "log10({double})", "log2({double})", "nanvl({double}, {double})", "pi()",
        "power({double}, 2)", "radians({double})", "round({double}, 1)", "signum({double})",
        "sin({double})", "sinh({score})", "sqrt(abs({double}))", "tan({double})", "tanh({double})",
        "trunc({double}, 1)", "(random() * 0)", "array_avg({longs})",
        "array_distance([{double}, 1.0], [2.0, {double}])",
        "cosine_distance([{double}, 1.0], [2.0, {double}])",
        "inner_product([{double}, 1.0], [2.0, {double}])", "CAST({long} AS DOUBLE)",
        "CAST({decimal} AS DOUBLE)", "({double} / {n})", "({double} + {double})",
        "(- {double})", "coalesce({double}, {n}.5)", "abs({double})",
        "CASE WHEN {bool} THEN {double} ELSE 0.5 END", "greatest({double}, {n}.5)",
        "date_part('epoch', {stamp})",
    ]),
    (Kind::Decimal, &[
        "({decimal} + {n}.25)", "({decimal} * {n})", "({decimal} - {decimal})",
        "({decimal} / {n})", "round({decimal}, 1)", "trunc({decimal}, 1)", "abs({decimal})",
        "nullif({decimal}, {n})", "CAST({long} AS DECIMAL(30, 2))", "coalesce({decimal}, 1.50)",
        "greatest({decimal}, {n}.5)", "(- {decimal})", "({decimal} % {n})",
        "CASE WHEN {bool} THEN {decimal} ELSE 0.50 END", "nvl({decimal}, {decimal})",
    ]),
    (Kind::Date, &[
        "make_date(2000 + {n}, {n}, {n})", "to_date('2024-0{n}-1{n}')",
        "CAST(date_trunc('month', {date}) AS DATE)", "CAST({stamp} AS DATE)", "current_date()",
        "({date} + INTERVAL '1 day')", "({date} - INTERVAL '{n} months')",
        "greatest({date}, DATE '2024-01-0{n}')", "coalesce({date}, DATE '2024-05-05')",
        "nullif({date}, DATE '2024-05-05')", "CAST('2024-0{n}-01' AS DATE)",
        "to_date('0{n}/2024/1{n}', '%m/%Y/%d')",
    ]),
    (Kind::Stamp, &[
        "date_trunc({unit}, {stamp})", "date_trunc('hour', {stamp})",
        "date_bin(INTERVAL '1 day', {stamp})", "from_unixtime({n})", "now()",
        "to_timestamp({n} * 1000)", "to_timestamp('2024-01-0{n}T00:00:00')",
        "to_timestamp_micros({n})", "to_timestamp_millis({n})", "to_timestamp_nanos({long})",
        "to_timestamp_seconds({n})", "({stamp} + INTERVAL '{n} hours')",
        "CAST({date} AS TIMESTAMP)", "to_local_time({stamp})",
        "coalesce({stamp}, TIMESTAMP '2024-01-01T00:00:00Z')", "({stamp} - INTERVAL '1 day')",
        "to_timestamp('01-0{n}-2024', '%d-%m-%Y')", "greatest({stamp}, {stamp})",
    ]),
    (Kind::Bytes, &[
        "decode({code}, 'hex')", "sha224({text})", "sha256({text})", "sha384({text})",
        "sha512({text})", "digest({text}, 'md5')", "CAST({text} AS BYTEA)",
        "digest({text}, 'blake3')", "nullif({bytes}, sha256('a'))",
    ]),
    (Kind::Longs, &[
        "make_array({long}, {long})", "[{long}, {n}]", "array_append({longs}, {long})",
        "array_prepend({long}, {longs})", "array_concat({longs}, {longs})",
        "array_compact({longs})", "array_distinct({longs})", "array_except({longs}, [{n}])",
        "array_intersect({longs}, [1, 2, {n}])", "array_union({longs}, {longs})",
        "array_pop_back({longs})", "array_pop_front({longs})",
        "array_remove({longs}, {n})", "array_remove_all({longs}, {n})",
        "array_remove_n({longs}, {n}, 1)", "array_repeat({long}, {n})",
        "array_replace({longs}, {n}, {long})", "array_replace_all({longs}, {n}, 0)",
        "array_replace_n({longs}, {n}, 0, 1)", "array_resize({longs}, {n}, 0)",
        "array_reverse({longs})", "array_slice({longs}, 1, {n})", "{longs}[1:2]",
        "array_sort({longs})", "array_sort({longs}, 'desc', 'nulls last')",
        "flatten([{longs}, {longs}])", "generate_series(1, {n})", "range({n})",
        "map_values({counts})", "coalesce({longs}, [{n}])", "map_extract({counts}, 'b')",
    ]),
    (Kind::Texts, &[
        "make_array({text}, {text})", "string_to_array({text}, '-')", "map_keys({counts})",
        "regexp_match({text}, {regex})", "array_sort({texts})", "array_append({texts}, {text})",
        "array_distinct({texts})", "array_reverse({texts})", "array_slice({texts}, 1, 1)",
        "array_concat({texts}, [{literal}])", "array_remove({texts}, 'red')",
        "string_to_array({text}, NULL)", "array_union({texts}, ['green'])",
    ]),
    (Kind::Point, &[
        "named_struct('x', {long}, 'y', {text})", "{'x': {long}, 'y': {text}}",
    ]),
    (Kind::Counts, &[
        "map(['a', 'b'], [{long}, {n}])", "map(['{n}', 'a'], [{long}, {long}])",
        "make_map('a', {long}, 'b', {n})", "MAP {'a': {long}, 'c': {n}}",
    ]),
];

/// Expressions that have a value for each row to be seen, and none for many that are hidden.
#[rustfmt::skip]
pub(super) const ARMED: [(Kind, &[&str]); 9] = [
    (Kind::Long, &[
        "CAST({note} AS BIGINT)", "CAST({note} AS INT)", "(100 / ({amount} - 5))",
        "({amount} * 9000000000)", "(- {amount})", "abs({amount})", "({n} / {small})",
        "factorial({small})", "({id} + 9000000000000000000)", "regexp_count({note}, {pattern})",
        "({id} * {id} * {id})", "({long} % {small})", "CAST({score} AS INT)",
        "CAST({amount} AS SMALLINT)", "array_sum({tags})", "lcm({small}, {n})",
        "({salary} * 1000000000000)", "(7 / ({salary} + 1))", "CAST({weight} AS INT)",
        "length(encode(decode({code}, 'hex'), 'hex'))", "levenshtein({note}, {pattern})",
    ]),
    (Kind::Text, &[
        "repeat({note}, {small})", "chr(64 + {small})", "lpad({note}, {small}, '.')",
        "regexp_replace({note}, {pattern}, 'y')", "split_part({note}, '-', {small})",
        "to_char({at}, '%Y-%m-%d')", "CAST(make_date(2020, {small}, 1) AS VARCHAR)",
        "CAST({note} AS INT) || ''", "arrow_typeof({tags}[{small}])",
    ]),
    (Kind::Bool, &[
        "({note} ~ {pattern})", "regexp_like({note}, {pattern})",
        "(CAST({note} AS INT) >= 0)", "(10 / ({amount} - 5) < 100)",
        "(to_date('2024-0' || {small} || '-01') > DATE '2024-03-03')",
        "(encode(decode({code}, 'hex'), 'hex') = {code})", "(100 / {small} > {n})",
        "({day} + INTERVAL '1 month' > DATE '2024-01-01')", "({note} SIMILAR TO {pattern})",
    ]),
    (Kind::Double, &[
        "({score} / ({amount} - 5))", "CAST({note} AS DOUBLE)", "sqrt({score} + 8)",
    ]),
    (Kind::Decimal, &[
        "({price} / ({price} - 5))", "({price} * {price})", "CAST({note} AS DECIMAL(4, 1))",
        "CAST({price} AS DECIMAL(5, 2))", "({cost} * 1000.00)",
    ]),
    (Kind::Date, &[
        "make_date(2000 + {small}, {small}, {small})", "to_date('2024-0' || {small} || '-01')",
        "({day} + INTERVAL '100 years')", "CAST(date_trunc('year', {day}) AS DATE)",
    ]),
    (Kind::Stamp, &[
        "to_timestamp({amount})", "CAST({day} AS TIMESTAMP)", "date_trunc('week', {at})",
        "({at} + INTERVAL '1 year')", "from_unixtime({amount})", "to_timestamp({note}, '%s')",
        "date_bin(INTERVAL '15 minutes', {at})", "CAST({seen_at} AS TIMESTAMP(9))",
    ]),
    (Kind::Bytes, &["decode({code}, 'hex')"]),
    (Kind::Longs, &[
        "array_repeat({n}, {small})", "generate_series(1, {small})", "range({small})",
        "array_resize({tags}, {small})",
    ]),
];

/// Expressions that fail, whatever the rows.
#[rustfmt::skip]
pub(super) const FAILING: [(Kind, &[&str]); 7] = [
    (Kind::Long, &[
        "CAST({text} AS BIGINT)", "({long} / 0)", "factorial({n} + 90)",
        "({long} + 9223372036854775807)", "({n} / ({long} - {n}))", "{text}", "CAST({text} AS INT)",
        "array_element({long}, 1)", "nowhere", "abs({text}, {text})", "ascii()",
    ]),
    (Kind::Text, &[
        "chr(-5)", "regexp_replace({text}, '(', 'x')", "encode({bytes}, 'hexx')",
        "repeat({text}, 1000000000)", "lower({long}, {long})", "lowr({text})", "{text}.y",
    ]),
    (Kind::Bool, &["({text} ~ '(')", "regexp_like({text}, '[')", "({long} = {date})", "{long}"]),
    (Kind::Double, &["CAST({text} AS DOUBLE)", "sqrt({text}, 2)", "log({double}, {text}, 1)"]),
    (Kind::Date, &[
        "CAST({text} AS DATE)", "make_date(2024, {n} + 12, 1)", "to_date({text})",
        "to_date('2024-13-0{n}')",
    ]),
    (Kind::Stamp, &["to_timestamp({text})", "date_bin(INTERVAL '0 days', {stamp})"]),
    (Kind::Bytes, &["decode({text}, 'hex')", "decode({text}, 'base64')", "digest({text}, 'md6')"]),
];

/// Functions of many rows.
#[rustfmt::skip]
pub(super) const AGGREGATE: [(Kind, &[&str]); 6] = [
    (Kind::Long, &[
        "count(*)", "count({any})", "count(DISTINCT {any})", "sum({long})", "min({long})",
        "max({long})", "bit_and({long})", "bit_or({long})", "bit_xor({long})",
        "CAST(approx_distinct({any}) AS BIGINT)", "regr_count({double}, {double})", "approx_median({long})",
        "median({long})", "first_value({long} ORDER BY {id})", "last_value({long} ORDER BY {id})",
        "nth_value({long}, {n} ORDER BY {id})", "any_value({long})", "sum(DISTINCT {long})",
        "count(*) FILTER (WHERE {bool})", "sum({long}) FILTER (WHERE {bool})",
        "CAST(approx_percentile_cont(0.{n}) WITHIN GROUP (ORDER BY {long}) AS BIGINT)",
        "max(CAST({note} AS INT))", "sum({amount} * 9000000000)",
    ]),
    (Kind::Double, &[
        "avg({long})", "avg({double})", "corr({score}, {weight})", "covar_pop({score}, {weight})",
        "covar_samp({score}, {long})", "regr_avgx({score}, {weight})",
        "regr_avgy({score}, {long})", "regr_intercept({score}, {weight})",
        "regr_r2({score}, {weight})", "regr_slope({score}, {weight})",
        "regr_sxx({score}, {long})", "regr_sxy({score}, {weight})", "regr_syy({score}, {weight})",
        "stddev({double})", "stddev_pop({score})", "var({long})", "var_pop({double})",
        "percentile_cont(0.{n}) WITHIN GROUP (ORDER BY {double})", "median({double})",
        "sum({double})", "max({double})",
    ]),
    (Kind::Text, &[
        "min({text})", "max({text})", "string_agg({text}, ',' ORDER BY {id})",
        "first_value({text} ORDER BY {id} DESC)", "any_value({text})",
        "string_agg(DISTINCT {text}, '+' ORDER BY {again})",
    ]),
    (Kind::Bool, &["bool_and({bool})", "bool_or({bool})", "bool_or({note} ~ {pattern})"]),
    (Kind::Decimal, &["sum({decimal})", "min({decimal})", "sum({price} * {price})"]),
    (Kind::Longs, &[
        "array_agg({long} ORDER BY {id})", "array_agg({amount} ORDER BY {id} DESC)",
    ]),
];

/// Functions of a row among others.
#[rustfmt::skip]
pub(super) const WINDOW: [(Kind, &[&str]); 4] = [
    (Kind::Long, &[
        "row_number()", "rank()", "dense_rank()", "ntile({n})", "lag({long}, {n})",
        "lead({long}, 1, 0)", "first_value({long})", "last_value({long})",
        "nth_value({long}, {n})", "count(*)", "count({any})", "sum({long})", "max({long})",
        "first_value({long}) IGNORE NULLS", "lag({long}) IGNORE NULLS", "bit_or({long})",
        "max(CAST({note} AS INT))",
    ]),
    (Kind::Double, &["percent_rank()", "cume_dist()", "avg({long})", "stddev({score})"]),
    (Kind::Text, &["lag({text})", "lead({text}, {n})", "min({text})", "nth_value({text}, 2)"]),
    (Kind::Decimal, &["sum({decimal})", "min({decimal})"]),
];

/// What stands after a window's order.
pub(super) const FRAMES: [&str; 6] = [
    "",
    "ROWS BETWEEN 2 PRECEDING AND CURRENT ROW",
    "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
    "ROWS BETWEEN 1 FOLLOWING AND 3 FOLLOWING",
    "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
    "GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
];

/// What texts and patterns are compared with: some of it stands behind masks and in hidden rows.
pub(super) const LITERALS: [&str; 12] =
    ["EU", "US", "7", "1", "HIDDEN-777", "***0001", "***", "red", "+49 3", "41***", "", "a"];
pub(super) const LIKES: [&str; 8] = ["%1%", "***%", "H%", "_", "%-%", "%", "41%", "%d"];
pub(super) const REGEXES: [&str; 7] = ["^[0-9]+$", "1", "(.)0", "[a-f]+", "^\\*+", "H.*7", "x?"];
pub(super) const UNITS: [&str; 5] = ["year", "month", "day", "quarter", "week"];
