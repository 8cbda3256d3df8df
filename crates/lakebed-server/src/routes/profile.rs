//! What the rows of a version look like.
#![expect(unused_qualifications, reason = "utoipa's attribute spells out paths")]

use axum::{Json, extract::State};
use lakebed_api::{
    ColumnProfile, DistinctCount, Distribution, FrequentValue, ProfileAnswer, Quantile,
};
use lakebed_core::{
    DataType, Field,
    profile::{self, Digest, number_to_json},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::problems::{Always, BadRequest, NotFound, TooMany};
use crate::{
    AppState,
    context::Context,
    convert,
    extract::{ApiQuery, parse_ref},
    links::of_profile,
    problem::Result,
};

/// The parts of a histogram, where numbers are not whole or far apart.
const BINS: usize = 24;
const QUANTILES: [f64; 7] = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99];

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ProfileQuery {
    /// The reference, `namespace.dataset[@selector]`.
    #[serde(rename = "ref")]
    #[param(
        rename = "ref",
        example = "sales.orders@v3",
        pattern = "^[a-z][a-z0-9_]{0,62}\\.[a-z][a-z0-9_]{0,62}(@[0-9A-Za-z_:.+-]{1,64})?$"
    )]
    reference: String,
}

/// What the rows of a version look like, column by column
///
/// Made with the version. Of versions that have none its files are read, once for every time it is
/// asked.
#[utoipa::path(get, path = "/v1/profiles", tag = "version", params(ProfileQuery), responses(
    (status = 200, description = "The profile", body = ProfileAnswer),
    BadRequest, NotFound, TooMany, Always
))]
pub(crate) async fn get_profile(
    State(state): State<AppState>,
    Context(ctx): Context,
    ApiQuery(query): ApiQuery<ProfileQuery>,
) -> Result<Json<ProfileAnswer>> {
    let answer = state.lake.profile(&ctx, parse_ref(&query.reference)?).await?;
    let rows = &answer.profile.whole;
    let columns = answer.schema.fields.iter();
    let version = &answer.resolved.version;
    let links = of_profile(&version.dataset, version.number);
    Ok(Json(ProfileAnswer {
        snapshot: convert::snapshot(answer.snapshot),
        resolved: convert::input(&answer.resolved),
        row_count: rows.rows,
        is_stored: answer.is_stored,
        columns: columns.map(|field| column(field, rows.column(field.id), rows.rows)).collect(),
        links,
    }))
}

pub(crate) fn column(
    field: &Field,
    found: Option<&profile::ColumnProfile>,
    rows: u64,
) -> ColumnProfile {
    let nulls = profile::ColumnProfile::of_nulls(field.id, rows);
    let found = found.unwrap_or(&nulls);
    let data_type = &field.data_type;
    let distribution = distribution(&found.digest, data_type);
    let (distribution, lengths) = match has_lengths(data_type) {
        true => (None, distribution),
        false => (distribution, None),
    };
    ColumnProfile {
        name: field.name.clone(),
        id: field.id,
        data_type: data_type.clone(),
        null_count: found.nulls,
        nan_count: Some(found.nans).filter(|nans| *nans > 0),
        distinct: found.distinct.as_ref().map(|distinct| DistinctCount {
            count: distinct.count(),
            is_exact: distinct.is_exact(),
        }),
        min: found.range.as_ref().map(|(least, _)| least.to_json(data_type)),
        max: found.range.as_ref().map(|(_, greatest)| greatest.to_json(data_type)),
        distribution,
        lengths,
        frequent: found
            .frequent
            .values
            .iter()
            .map(|value| FrequentValue {
                value: value.value.to_json(data_type),
                count: value.count,
                missed_at_most: Some(value.missed).filter(|missed| *missed > 0),
            })
            .collect(),
        unlisted_at_most: found.frequent.unlisted,
    }
}

/// Whether the digest of a column of that type is of lengths.
const fn has_lengths(data_type: &DataType) -> bool {
    use DataType::{Binary, Fixed, List, Map, String, Struct};
    matches!(data_type, String | Binary | Fixed(_) | List(_) | Map(..) | Struct(_))
}

fn distribution(digest: &Digest, data_type: &DataType) -> Option<Distribution> {
    let (least, greatest) = digest.range()?;
    let data_type = if has_lengths(data_type) { &DataType::Long } else { data_type };
    let shown = |number| number_to_json(number, data_type);
    let quantile = |q| Some(Quantile { q, value: shown(digest.quantile(q)?) });
    Some(Distribution {
        min: shown(least),
        max: shown(greatest),
        mean: shown(digest.mean()?),
        quantiles: QUANTILES.into_iter().filter_map(quantile).collect(),
        histogram: digest.histogram(bins(greatest - least, data_type)),
    })
}

/// No more parts than there are whole numbers.
fn bins(span: f64, data_type: &DataType) -> usize {
    use DataType::{Boolean, Date, Int, Long};
    match data_type {
        Boolean | Date | Int | Long if span < BINS as f64 => span as usize + 1,
        _ => BINS,
    }
}
