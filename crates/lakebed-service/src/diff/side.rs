//! One of two sorted versions, read row by row.

use std::cmp::Ordering;

use arrow::{
    array::{ArrayRef, RecordBatch},
    error::ArrowError,
    row::{RowConverter, Rows, SortField},
};
use futures::StreamExt as _;

use crate::{
    Error, Result,
    engine::{EngineError, QueryStream},
};

/// Rows of one version in the order of their keys. The first columns are the key.
pub(super) struct Side {
    /// None once it has ended: it must not be asked again.
    stream: Option<QueryStream>,
    converter: RowConverter,
    key_columns: usize,
    /// Where the next row is; none at the end.
    current: Option<Loaded>,
    row: usize,
    /// What comes behind, where somebody had to look.
    next: Option<Loaded>,
    /// Rows that were read before this batch: which batch it is.
    pub(super) batches: u64,
}

pub(super) struct Loaded {
    pub(super) batch: RecordBatch,
    keys: Rows,
}

impl Side {
    pub(super) async fn begin(stream: QueryStream, key_columns: usize) -> Result<Self> {
        let fields = stream.schema.fields().iter().take(key_columns);
        let fields = fields.map(|field| SortField::new(field.data_type().clone())).collect();
        let converter = RowConverter::new(fields).map_err(failed)?;
        let mut side = Self {
            stream: Some(stream),
            converter,
            key_columns,
            current: None,
            row: 0,
            next: None,
            batches: 0,
        };
        side.current = side.load().await?;
        Ok(side)
    }

    async fn load(&mut self) -> Result<Option<Loaded>> {
        while let Some(stream) = &mut self.stream {
            let Some(batch) = stream.batches.next().await else {
                self.stream = None;
                break;
            };
            let batch = batch?;
            if batch.num_rows() > 0 {
                let columns: Vec<ArrayRef> = batch.columns()[..self.key_columns].to_vec();
                let keys = self.converter.convert_columns(&columns).map_err(failed)?;
                return Ok(Some(Loaded { batch, keys }));
            }
        }
        Ok(None)
    }

    /// The batch of the next row and its place there; none at the end.
    pub(super) fn row(&self) -> Option<(&RecordBatch, usize)> {
        self.current.as_ref().map(|loaded| (&loaded.batch, self.row))
    }

    fn key(&self) -> Option<&[u8]> {
        self.current.as_ref().map(|loaded| loaded.keys.row(self.row).data())
    }

    /// How the next key of this side compares with that of the other; the end is behind all.
    pub(super) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self.key(), other.key()) {
            (None, None) => None,
            (Some(_), None) => Some(Ordering::Less),
            (None, Some(_)) => Some(Ordering::Greater),
            (Some(ours), Some(theirs)) => Some(ours.cmp(theirs)),
        }
    }

    /// Whether the row behind the next has the same key.
    pub(super) async fn repeats(&mut self) -> Result<bool> {
        let Some(current) = &self.current else { return Ok(false) };
        if self.row + 1 < current.batch.num_rows() {
            let (key, behind) = (current.keys.row(self.row), current.keys.row(self.row + 1));
            return Ok(key.data() == behind.data());
        }
        if self.next.is_none() {
            self.next = self.load().await?;
        }
        let behind = self.next.as_ref().map(|next| next.keys.row(0));
        Ok(behind.is_some_and(|behind| self.key() == Some(behind.data())))
    }

    /// Whether any column of the next row's key has no value.
    pub(super) fn has_null_key(&self) -> bool {
        let is_null = |(batch, row): (&RecordBatch, usize)| {
            batch.columns()[..self.key_columns].iter().any(|column| column.is_null(row))
        };
        self.row().is_some_and(is_null)
    }

    /// Goes to the next row.
    pub(super) async fn advance(&mut self) -> Result<()> {
        self.row += 1;
        let rows = self.current.as_ref().map_or(0, |loaded| loaded.batch.num_rows());
        if self.row >= rows {
            self.row = 0;
            self.batches += 1;
            self.current = match self.next.take() {
                Some(next) => Some(next),
                None => self.load().await?,
            };
        }
        Ok(())
    }
}

pub(super) fn failed(error: ArrowError) -> Error {
    Error::Engine(EngineError::Internal { source: Box::new(error) })
}
