//! What a version's rows look like: read where an ingest noted it, else made of its files.
//!
//! Figures about data are data: they go to those who may read the dataset.

use std::{path::PathBuf, sync::Arc};

use lakebed_core::{DatasetRef, Manifest, StoredObject, TableSchema, profile::Profile};
use lakebed_ingest::{Progress as _, TableProfiler};

use crate::{
    Ctx, Detail, Lake, NoProgress, ResolvedVersion, Result, Snapshot, VersionRecord,
    cache::unreadable,
    ingest::{blocking, not_the_source},
    progress::Meter,
    query::no_table,
    reads::{Asked, Reading},
};

/// A version's profile.
#[derive(Debug, Clone)]
pub struct ProfileAnswer {
    /// The snapshot the reference was resolved against.
    pub snapshot: Snapshot,
    /// The version.
    pub resolved: ResolvedVersion,
    /// Its columns.
    pub schema: TableSchema,
    /// What its rows look like.
    pub profile: Profile,
    /// Whether that was noted when the version was made; else it was made just now.
    pub is_stored: bool,
}

impl Lake {
    /// What the rows of a version look like, column by column.
    ///
    /// Versions that builds before profiles made, and those that were appended to such, are read to
    /// their end; nothing is stored then.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`] and [`crate::Error::Forbidden`] as [`Lake::resolve`]; [`crate::Error::Invalid`] for
    /// versions of kind `files`.
    pub async fn profile(&self, ctx: &Ctx, reference: DatasetRef) -> Result<ProfileAnswer> {
        let asked = Asked::Profile { reference: reference.to_string() };
        let mut reading = Reading::begin(&self.inner.reads, ctx, asked)?;
        let answer = self.profile_for(ctx, reference, &mut reading).await;
        reading.close(answer).await
    }

    /// The same, as a part of another read or on its own record.
    pub(crate) async fn profile_for(
        &self,
        ctx: &Ctx,
        reference: DatasetRef,
        reading: &mut Reading,
    ) -> Result<ProfileAnswer> {
        let resolution = self.resolve(ctx, &[reference], Detail::None).await?;
        let snapshot = resolution.snapshot;
        reading.tells_of(&resolution.versions).await?;
        let resolved = resolution.versions.into_iter().next().expect("one reference was resolved");
        let manifest = self.inner.cache.manifest(&self.inner.store, &resolved.version).await?;
        let Some(schema) = manifest.schema.clone() else {
            return Err(no_table(&resolved.reference));
        };
        let stored = self.stored_profile(&manifest).await?;
        let is_stored = stored.is_some();
        let profile = match stored {
            Some(profile) => profile,
            None => self.make_profile(ctx, &resolved.version, &manifest, &schema).await?,
        };
        Ok(ProfileAnswer { snapshot, resolved, schema, profile, is_stored })
    }

    /// The profile that a manifest names, if it names one.
    pub(crate) async fn stored_profile(&self, manifest: &Manifest) -> Result<Option<Profile>> {
        match &manifest.profile {
            Some(object) => self.read_profile(object).await.map(Some),
            None => Ok(None),
        }
    }

    /// A profile, verified.
    pub(crate) async fn read_profile(&self, object: &StoredObject) -> Result<Profile> {
        let bytes = self.inner.store.get(object).await?;
        Profile::from_bytes(&bytes).map_err(|error| unreadable("profile", object.id, error))
    }

    /// A profile of table files, each read to its end, one after the other.
    async fn make_profile(
        &self,
        ctx: &Ctx,
        version: &VersionRecord,
        manifest: &Manifest,
        schema: &TableSchema,
    ) -> Result<Profile> {
        let _permit = self.inner.statements.enter(ctx.actor())?.admitted(|_| Ok(())).await?;
        let meter = Arc::new(Meter::new(Arc::new(NoProgress)));
        let _stop_workers = meter.cancel_on_drop();
        let store = &self.inner.store;
        let mut profiler = TableProfiler::new(schema);
        let add = async |mut profiler: TableProfiler, path: PathBuf| {
            let meter = Arc::clone(&meter);
            blocking(move || {
                let added = profiler.add(&path, &|| !meter.cancelled());
                let _ = std::fs::remove_file(path);
                added.map(|()| profiler).map_err(not_the_source)
            })
            .await
        };
        match self.files_at_hand(version, manifest).await? {
            Some(files) => {
                for file in files {
                    // A copy is verified as it is made.
                    profiler = add(profiler, store.copy_to_scratch(&file.object).await?).await?;
                }
            }
            None => {
                let (_folder, written) = self.compute_files(Some(ctx), version, manifest).await?;
                for file in written {
                    profiler = add(profiler, file.path).await?;
                }
            }
        }
        Ok(profiler.finish())
    }
}
