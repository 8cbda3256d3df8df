//! What is wrong with a workbook, on its way through readers of bytes.

use std::{fmt, io};

use crate::{Refusal, refusal::shown};

/// Why a workbook cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Something is not as it must be.
    Damaged(String),
    /// More than a workbook has use for, as in archives made to exhaust their readers.
    TooLarge(String),
    /// It can only be read with a password.
    Encrypted,
    /// The file could not be read.
    Io(io::ErrorKind, String),
}

impl Fault {
    pub(super) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged(what.into())
    }

    pub(super) fn too_large(what: impl Into<String>) -> Self {
        Self::TooLarge(what.into())
    }

    /// The fault that an error carries, or the error itself.
    pub(super) fn of(error: &io::Error) -> Self {
        if let Some(fault) = error.get_ref().and_then(|inner| inner.downcast_ref::<Self>()) {
            return fault.clone();
        }
        match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
                Self::damaged("its compressed data is broken")
            }
            io::ErrorKind::UnexpectedEof => Self::damaged("it is cut off"),
            kind => Self::Io(kind, error.to_string()),
        }
    }

    /// What a user reads.
    pub(super) fn refusal(&self, name: &str) -> Refusal {
        let name = shown(name);
        match self {
            Self::Damaged(what) => Refusal::new(
                Refusal::DAMAGED_WORKBOOK,
                format!("`{name}` is damaged: {}", shown(what)),
            )
            .hint("open it in a spreadsheet program and save it again, or copy the file again"),
            Self::TooLarge(what) => {
                Refusal::new(Refusal::WORKBOOK_TOO_LARGE, format!("`{name}`: {}", shown(what)))
                    .hint("save the sheet as CSV or Parquet, and ingest that")
            }
            Self::Encrypted => Refusal::new(
                Refusal::ENCRYPTED_WORKBOOK,
                format!("`{name}` is protected with a password"),
            )
            .hint("save it without one"),
            Self::Io(kind, error) => {
                Refusal::unreadable(&name, &io::Error::new(*kind, error.clone()))
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(what) | Self::TooLarge(what) | Self::Io(_, what) => f.write_str(what),
            Self::Encrypted => f.write_str("protected with a password"),
        }
    }
}

impl std::error::Error for Fault {}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        Self::new(io::ErrorKind::InvalidData, fault)
    }
}

/// The refusal for a workbook, if that is what the error speaks of.
pub(crate) fn refusal_of(name: &str, error: &io::Error) -> Option<Refusal> {
    let fault = error.get_ref()?.downcast_ref::<Fault>()?;
    Some(fault.refusal(name))
}
