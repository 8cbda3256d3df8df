//! The same request once more: what it did the first time is found by its key, not done again.
//!
//! Whoever asks again after a lost answer, or goes on with the work of a server that died, may find
//! the work done and the uploads gone. The commit's key says so (D-15); what was asked must be what
//! was done, or the key was used for two things.

use lakebed_core::{
    Decode, DecodeOptions, EventBody, IngestKey, Manifest, ObjectId, RepeatedHeaders, SourceEntry,
    VersionCommitted, contract::Contract,
};

use crate::{
    Ctx, Error, IngestOutcome, IngestRequest, IngestStatus, Lake, Result, SourceInput,
    ingest::{attempt::record_of, key_of, sources::blocking},
};

impl Lake {
    /// What an earlier request under the same key made of exactly these sources; nothing if there
    /// was none.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the key was used for something else.
    pub(crate) async fn replayed(
        &self,
        ctx: &Ctx,
        request: &IngestRequest,
    ) -> Result<Option<IngestOutcome>> {
        let Some(key) = &ctx.idempotency_key else { return Ok(None) };
        let events = self.inner.catalog.find_commit(ctx.actor(), key).await?;
        let found = events.iter().find_map(|event| match &event.body {
            EventBody::VersionCommitted(version) => Some((event.seq, version)),
            _ => None,
        });
        let (seq, made) = match found {
            Some((seq, made)) if made.dataset == request.dataset => (seq, made),
            Some(_) => return Err(key_reused()),
            None if events.is_empty() => return Ok(None),
            None => return Err(key_reused()),
        };
        // A server may have died between commit and journal.
        self.inner.journal.publish_through(seq).await?;
        let version = record_of(self, &request.dataset, made.number).await?;
        let manifest = self.inner.cache.manifest(&self.inner.store, &version).await?;
        let mut sources = self.inner.cache.sources(&self.inner.store, &manifest.sources).await?;
        let sources = sources.split_off(sources.len().saturating_sub(request.sources.len()));
        if !self.is_what_was_done(request, made, &manifest, &sources).await? {
            return Err(key_reused());
        }
        let rights = self.rights(ctx).await?;
        Ok(Some(IngestOutcome {
            status: IngestStatus::Committed,
            is_readable: rights.reads(&request.dataset),
            sees_lake: rights.reads_everything(),
            version,
            changes: Vec::new(),
            notes: Vec::new(),
            new_bytes: made.objects.iter().map(|object| object.size_bytes).sum(),
            sources,
            findings: Vec::new(),
        }))
    }

    async fn is_what_was_done(
        &self,
        request: &IngestRequest,
        made: &VersionCommitted,
        manifest: &Manifest,
        sources: &[SourceEntry],
    ) -> Result<bool> {
        let contract = match manifest.contract {
            None => None,
            Some(id) => {
                let lake = &self.inner;
                Some(lake.cache.contract(&lake.store, &lake.catalog, id).await?)
            }
        };
        let contract = contract.as_deref();
        let key_part = key_of(manifest.contract, &manifest.inputs);
        if sources.len() != request.sources.len() {
            return Ok(false);
        }
        for (asked, done) in request.sources.iter().zip(sources) {
            let is_same = asked.name() == done.name
                && self.digest_of(asked).await? == done.object.id
                && done
                    .decode
                    .as_ref()
                    .is_none_or(|decode| fits(&request.options, contract, decode));
            if !is_same {
                return Ok(false);
            }
        }
        let parts =
            sources.iter().map(|done| (done.name.clone(), done.object.id, done.decode.clone()));
        let IngestRequest { dataset, mode, again, .. } = request;
        let key =
            IngestKey::new(dataset, *mode, &parts.collect::<Vec<_>>(), key_part, again.as_deref());
        Ok(key == made.ingest_key)
    }

    async fn digest_of(&self, source: &SourceInput) -> Result<ObjectId> {
        match source {
            SourceInput::Upload { object, .. } => Ok(*object),
            SourceInput::Path { path, .. } => {
                let (store, path) = (self.inner.store.clone(), path.clone());
                Ok(blocking(move || Ok(store.hash_path(&path)?)).await?.0)
            }
        }
    }
}

/// Whether headers that come again may have become of what these options say.
fn keeps_as(options: &DecodeOptions, done: RepeatedHeaders) -> bool {
    options.repeated_headers != Some(RepeatedHeaders::Kept) || done == RepeatedHeaders::Kept
}

/// Whether a source that was read like this may have been read by these options.
fn fits(options: &DecodeOptions, contract: Option<&Contract>, decode: &Decode) -> bool {
    let mut null_tokens = options.null_tokens.clone();
    null_tokens.sort_unstable();
    null_tokens.dedup();
    let columns = match decode {
        Decode::Json(json) if null_tokens == json.null_tokens => &json.columns,
        Decode::Json(_) => return false,
        Decode::Xlsx(xlsx) => {
            let is_same = options.sheet.as_ref().is_none_or(|sheet| *sheet == xlsx.sheet)
                && options.header.is_none_or(|header| header == xlsx.header)
                && options.skip_lines.is_none_or(|count| count == xlsx.skip_rows)
                && options.spelling == xlsx.spelling
                && keeps_as(options, xlsx.repeated_headers)
                && null_tokens == xlsx.null_tokens;
            if !is_same {
                return false;
            }
            &xlsx.columns
        }
        Decode::Csv(csv) => {
            let encoding = csv.encoding.as_deref().unwrap_or("utf-8");
            let is_named =
                |label: &String| lakebed_ingest::encoding_name(label).as_deref() == Some(encoding);
            let is_same = options.encoding.as_ref().is_none_or(is_named)
                && options.delimiter.is_none_or(|delimiter| delimiter == csv.delimiter)
                && options.quote.is_none_or(|quote| quote == csv.quote)
                && options.header.is_none_or(|header| header == csv.header)
                && options.skip_lines.is_none_or(|count| count == csv.skip_lines)
                && options.comment.as_ref().is_none_or(|comment| {
                    comment.chars().next().filter(|_| comment != "none")
                        == csv.comment.map(|comment| comment.begin)
                })
                && options.spelling == csv.spelling
                && keeps_as(options, csv.repeated_headers)
                && null_tokens == csv.null_tokens;
            if !is_same {
                return false;
            }
            &csv.columns
        }
        Decode::Parquet { columns } => columns,
    };
    columns.iter().all(|column| match options.types.get(&column.name) {
        Some(declared) => column.declared && *declared == column.data_type,
        None => !column.declared || is_promised(contract, &column.name),
    })
}

/// Whether a contract names the column: then it may be read by the contract's type.
fn is_promised(contract: Option<&Contract>, name: &str) -> bool {
    let columns = contract.iter().flat_map(|contract| &contract.columns);
    columns.into_iter().any(|column| column.column() == name)
}

pub(crate) fn key_reused() -> Error {
    Error::Invalid {
        code: "idempotency-key-reused",
        message: "this idempotency key was used for another change".to_owned(),
        hint: Some("give every change a key of its own".to_owned()),
    }
}
