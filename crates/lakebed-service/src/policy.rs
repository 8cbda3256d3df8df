//! Policies, where they meet the lake's tables: what they leave of one for somebody, and whether they
//! fit the tables that they are about.
//!
//! The rules are `lakebed-govern`'s; the engine holds everybody to the restriction that comes out.

use std::collections::{BTreeMap, BTreeSet};

use lakebed_catalog::DatasetFilter;
use lakebed_core::{
    DatasetKind, DatasetName, DatasetRef, Declared, KnownFields, Selector, StoredObject,
    TableSchema,
    lineage::Input,
    policy::{Mask, MaskKey, PolicyRule, PolicyTarget, Restriction},
};
use lakebed_govern::{
    Inherited, PlanWarning, Reader, TableFacts, check_policy, expects, inherit, is_about, is_news,
    missing_columns, restrict,
};

use crate::{
    Ctx, Error, Lake, Result, VersionRecord, access::restricted, cache::InForce, lake::random_bytes,
};

/// How many misfits are told at once.
const SHOWN: usize = 5;

impl Lake {
    /// What of `version`, which has these columns, the asker may see: what policies on its dataset
    /// leave, and of what was computed from others what those on them leave, too.
    ///
    /// # Errors
    /// [`Error::Forbidden`] where nobody can say which rows are theirs.
    pub(crate) async fn restriction(
        &self,
        ctx: &Ctx,
        version: &VersionRecord,
        schema: &TableSchema,
        in_force: &InForce,
    ) -> Result<Restriction> {
        let own = self.own_restriction(ctx, version, schema, in_force).await?;
        if in_force.declared.policies.is_empty() || ctx.identity.is_owner() {
            return Ok(own);
        }
        let manifest = self.inner.cache.manifest(&self.inner.store, version).await?;
        if let Some(program) = &manifest.program {
            self.check_sees_all_inputs(ctx, version, program).await?;
        }
        if manifest.derivation.is_none() {
            return Ok(own);
        }
        let lineage = match &manifest.lineage {
            Some(object) => self.inner.cache.lineage(&self.inner.store, object).await?,
            None => return Err(restricted(&version.dataset)),
        };
        let mut inputs = BTreeMap::new();
        for input in lineage.inputs() {
            // Which dataset it is that keeps something is not told to whoever may not know of it.
            let found = self.input(input, ctx, in_force).await.map_err(|error| match error {
                Error::Forbidden { .. } | Error::NotFound { .. } => restricted(&version.dataset),
                error => error,
            })?;
            inputs.insert(input.clone(), found);
        }
        let inherited = inherit(schema, &lineage, &inputs);
        let inherited = inherited.map_err(|why| Error::Forbidden {
            message: format!(
                "a policy keeps parts of what `{}` is made of from you, and {why}",
                version.dataset
            ),
        })?;
        Ok(own.meet(inherited))
    }

    /// Nobody knows what a program makes of what it reads: whoever does not see all of that sees
    /// nothing of what came of it.
    async fn check_sees_all_inputs(
        &self,
        ctx: &Ctx,
        version: &VersionRecord,
        program: &StoredObject,
    ) -> Result<()> {
        let program = self.inner.cache.program(&self.inner.store, program).await?;
        let rights = self.rights(ctx).await?;
        let mut inputs = program.inputs.iter().map(|input| &input.reference.dataset);
        match inputs.any(|input| rights.is_restricted(input)) {
            true => Err(Error::Forbidden {
                message: format!(
                    "a policy keeps parts of what a program made `{}` of from you, and nobody knows \
                     what it made of them",
                    version.dataset
                ),
            }),
            false => Ok(()),
        }
    }

    /// A version that another was computed from, as the asker may see it.
    async fn input(&self, input: &Input, ctx: &Ctx, in_force: &InForce) -> Result<Inherited> {
        let selector = Selector::Digest(input.version_id.object().to_string());
        let reference = DatasetRef { dataset: input.dataset.clone(), selector };
        let found = self.resolve_unasked(&[reference]).await?.versions.pop();
        let Some(found) = found else { return Err(restricted(&input.dataset)) };
        let schema = self.schema_of(&found.version).await?.unwrap_or_default();
        // Products are made of products, a few deep.
        let restriction = Box::pin(self.restriction(ctx, &found.version, &schema, in_force));
        Ok(Inherited { restriction: restriction.await?, schema })
    }

    /// What policies on its own dataset leave.
    async fn own_restriction(
        &self,
        ctx: &Ctx,
        version: &VersionRecord,
        schema: &TableSchema,
        in_force: &InForce,
    ) -> Result<Restriction> {
        let (dataset, declared) = (&version.dataset, &in_force.declared);
        let is_covered = targets(declared, dataset).next().is_some();
        if !is_covered || ctx.identity.is_owner() {
            return Ok(Restriction::Unrestricted);
        }
        let (newest, first) = self.newest_and_first(dataset).await?;
        let nothing = TableSchema::default();
        let facts = TableFacts {
            schema,
            newest: newest.as_ref().unwrap_or(schema),
            known_fields: in_force.known_fields.get(dataset),
            first: first.as_ref().unwrap_or(&nothing),
            mask_key: in_force.mask_key,
        };
        Ok(restrict(&Reader::of(&ctx.identity, declared), declared, dataset, &facts))
    }

    /// The columns of a dataset's newest version, and those of its first.
    async fn newest_and_first(
        &self,
        dataset: &DatasetName,
    ) -> Result<(Option<TableSchema>, Option<TableSchema>)> {
        let reference = |selector| DatasetRef { dataset: dataset.clone(), selector };
        let references = [reference(Selector::Latest), reference(Selector::Number(1))];
        let found = self.inner.catalog.resolve(&references, &self.inner.default_stage).await?;
        let mut schemas = Vec::new();
        for outcome in found.versions {
            schemas.push(match outcome {
                Ok(resolved) => self.schema_of(&resolved.version).await?,
                Err(_) => None,
            });
        }
        let first = schemas.pop().flatten();
        Ok((schemas.pop().flatten(), first))
    }

    /// What the columns of a dataset's newest version are called: policies mean columns of every
    /// version by these names, too.
    pub(crate) async fn newest_names(&self, dataset: &DatasetName) -> Result<KnownFields> {
        let (newest, _) = self.newest_and_first(dataset).await?;
        Ok(newest.map(|newest| names_of(&newest)).unwrap_or_default())
    }

    async fn schema_of(&self, version: &VersionRecord) -> Result<Option<TableSchema>> {
        let manifest = self.inner.cache.manifest(&self.inner.store, version).await?;
        Ok(manifest.schema.clone())
    }

    /// Refuses policies that do not fit a table that is there, where they are news to it: a policy or
    /// a contract is new, or another than before. One that fitted once is left alone: where it does not
    /// fit any more it shows nothing. Gives what there is to say of the others.
    pub(crate) async fn check_policies_fit(
        &self,
        before: Option<&Declared>,
        after: &Declared,
    ) -> Result<BTreeSet<PlanWarning>> {
        let (mut misfits, mut warnings) = (Vec::new(), BTreeSet::new());
        let is_same = before.is_some_and(|before| {
            before.policies == after.policies && before.contracts == after.contracts
        });
        if after.policies.is_empty() || is_same {
            return Ok(warnings);
        }
        for (dataset, newest) in self.tables().await? {
            let news: Vec<_> = after
                .policies
                .values()
                .filter(|policy| is_news(policy, before, after, &dataset))
                .collect();
            if news.is_empty() {
                continue;
            }
            let Some(schema) = self.schema_of(&newest).await? else { continue };
            for policy in news {
                let found = check_policy(policy, after, &dataset, &schema);
                misfits.extend(
                    found.into_iter().map(|why| format!("policy `{}`: {why}", policy.name)),
                );
                warnings.extend(missing_columns(policy, after, &dataset, &schema));
            }
        }
        if misfits.is_empty() {
            return Ok(warnings);
        }
        let more = misfits.len().saturating_sub(SHOWN);
        misfits.truncate(SHOWN);
        if more > 0 {
            misfits.push(format!("and {more} more"));
        }
        Err(Error::Invalid {
            code: "policy-misfit",
            message: misfits.join("; "),
            hint: Some("`lakebed show <dataset>` lists columns and types".to_owned()),
        })
    }

    /// For each dataset under a policy, the columns that were there when it came under one: kept for
    /// those that were under one before, whatever came since, with the names that they have now.
    pub(crate) async fn known_fields(
        &self,
        before: Option<&InForce>,
        after: &Declared,
    ) -> Result<BTreeMap<DatasetName, KnownFields>> {
        let mut known = BTreeMap::new();
        if after.policies.is_empty() {
            return Ok(known);
        }
        for (dataset, newest) in self.tables().await? {
            if targets(after, &dataset).next().is_none() {
                continue;
            }
            let Some(newest) = self.schema_of(&newest).await? else { continue };
            let was = before.filter(|before| targets(&before.declared, &dataset).next().is_some());
            let mut fields = match was {
                None => names_of(&newest),
                Some(before) => match before.known_fields.get(&dataset) {
                    Some(fields) => fields.clone(),
                    None => self.expected_fields(&before.declared, &dataset, &newest).await?,
                },
            };
            let is_known = |id: u32| fields.iter().any(|(known, _)| *known == id);
            let mut now = names_of(&newest);
            now.retain(|(id, _)| is_known(*id));
            fields.extend(now);
            known.insert(dataset, fields);
        }
        Ok(known)
    }

    /// The columns of a dataset that came after its policies which those who declared them expected.
    async fn expected_fields(
        &self,
        declared: &Declared,
        dataset: &DatasetName,
        newest: &TableSchema,
    ) -> Result<KnownFields> {
        let (_, first) = self.newest_and_first(dataset).await?;
        let mut first = first.map(|first| names_of(&first)).unwrap_or_default();
        let is_expected =
            |name: &str| targets(declared, dataset).all(|on| expects(on, declared, dataset, name));
        // Of one that was renamed since, nobody knows under which name.
        let now = names_of(newest);
        first.retain(|known| now.contains(known) && is_expected(&known.1));
        Ok(first)
    }

    /// Tables that have a version, and the newest of each.
    async fn tables(&self) -> Result<Vec<(DatasetName, VersionRecord)>> {
        let (_, datasets) = self.inner.catalog.datasets(&DatasetFilter::default()).await?;
        let tables = datasets.into_iter().filter(|dataset| dataset.kind == DatasetKind::Table);
        Ok(tables.filter_map(|dataset| Some((dataset.name, dataset.newest?))).collect())
    }

    /// The key of masks that hash: the one there is, or a new one if one is needed.
    pub(crate) fn mask_key(
        &self,
        before: Option<&InForce>,
        after: &Declared,
    ) -> Result<Option<MaskKey>> {
        if let Some(key) = before.and_then(|before| before.mask_key) {
            return Ok(Some(key));
        }
        let hashes = after
            .policies
            .values()
            .any(|policy| matches!(policy.rule, PolicyRule::Mask { mask: Mask::Hash, .. }));
        if !hashes {
            return Ok(None);
        }
        let mut random = [0; 32];
        random[..16].copy_from_slice(&random_bytes()?);
        random[16..].copy_from_slice(&random_bytes()?);
        Ok(Some(MaskKey::new(random, self.id())))
    }
}

fn names_of(schema: &TableSchema) -> KnownFields {
    let named = |field: &lakebed_core::Field| (field.id, field.name.clone());
    schema.fields.iter().map(named).collect()
}

/// What the policies about `dataset` are on.
fn targets<'a>(
    declared: &'a Declared,
    dataset: &'a DatasetName,
) -> impl Iterator<Item = &'a PolicyTarget> {
    let all = declared.policies.values().map(|policy| &policy.on);
    all.filter(|on| is_about(on, declared, dataset))
}
