//! The functions that may be called, one list per kind, by their first names.

/// Names that the SQL planner itself understands as calls.
pub(crate) const SYNTAX: [&str; 4] = ["make_map", "map", "unnest", "unnest_outer"];

/// Functions of a row.
#[rustfmt::skip]
pub(crate) const SCALAR: [&str; 166] = [
    // Numbers.
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "ceil", "cos",
    "cosh", "cot", "degrees", "exp", "factorial", "floor", "gcd", "isnan", "iszero", "lcm", "ln",
    "log", "log10", "log2", "nanvl", "pi", "power", "radians", "random", "round", "signum", "sin",
    "sinh", "sqrt", "tan", "tanh", "trunc",
    // Any type.
    "coalesce", "greatest", "least", "nullif", "nvl", "nvl2", "arrow_typeof",
    // Text.
    "ascii", "bit_length", "btrim", "character_length", "chr", "concat", "concat_ws", "contains",
    "ends_with", "find_in_set", "initcap", "left", "levenshtein", "lower", "lpad", "ltrim",
    "octet_length", "overlay", "repeat", "replace", "reverse", "right", "rpad", "rtrim",
    "split_part", "starts_with", "strpos", "substr", "substr_index", "to_hex", "translate",
    "upper", "uuid",
    // Regular expressions.
    "regexp_count", "regexp_instr", "regexp_like", "regexp_match", "regexp_replace",
    // Bytes and digests.
    "decode", "digest", "encode", "md5", "sha224", "sha256", "sha384", "sha512",
    // Time.
    "current_date", "current_time", "date_bin", "date_part", "date_trunc", "from_unixtime",
    "make_date", "make_time", "now", "to_char", "to_date", "to_local_time", "to_time",
    "to_timestamp", "to_timestamp_micros", "to_timestamp_millis", "to_timestamp_nanos",
    "to_timestamp_seconds", "to_unixtime",
    // Structs and maps.
    "get_field", "map", "map_entries", "map_extract", "map_keys", "map_values", "named_struct",
    "struct",
    // Lists.
    "array_any_value", "array_append", "array_compact", "array_concat", "array_dims",
    "array_distance", "array_distinct", "array_element", "array_except", "array_has",
    "array_has_all", "array_has_any", "array_intersect", "array_length", "array_max", "array_min",
    "array_ndims", "array_pop_back", "array_pop_front", "array_position", "array_positions",
    "array_prepend", "array_remove", "array_remove_all", "array_remove_n", "array_repeat",
    "array_replace", "array_replace_all", "array_replace_n", "array_resize", "array_reverse",
    "array_slice", "array_sort", "array_sum", "array_avg", "array_product", "array_to_string",
    "array_union", "arrays_zip", "cardinality", "cosine_distance", "empty", "flatten",
    "generate_series", "inner_product", "make_array", "range", "string_to_array",
];

/// Functions of many rows.
#[rustfmt::skip]
pub(crate) const AGGREGATE: [&str; 38] = [
    "any_value", "approx_distinct", "approx_median", "approx_percentile_cont", "array_agg", "avg",
    "bit_and", "bit_or", "bit_xor", "bool_and", "bool_or", "corr", "count", "covar_pop",
    "covar_samp", "first_value", "grouping", "last_value", "max", "median", "min", "nth_value",
    "percentile_cont", "regr_avgx", "regr_avgy", "regr_count", "regr_intercept", "regr_r2",
    "regr_slope", "regr_sxx", "regr_sxy", "regr_syy", "stddev", "stddev_pop", "string_agg", "sum",
    "var", "var_pop",
];

/// Functions of a row among others.
#[rustfmt::skip]
pub(crate) const WINDOW: [&str; 11] = [
    "cume_dist", "dense_rank", "first_value", "lag", "last_value", "lead", "nth_value", "ntile",
    "percent_rank", "rank", "row_number",
];
