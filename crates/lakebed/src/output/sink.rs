//! Where an answer goes: stdout, a file that appears when it is complete, or a pipe.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use super::stdout_problem;
use crate::{
    app::App,
    atomic::Draft,
    problem::{Problem, Result},
};

/// Where the answer goes.
pub(crate) enum Out {
    Stdout,
    /// A file that appears when it is complete.
    File(Draft, PathBuf),
    /// Something that is there and is no file: a pipe, a device.
    Stream(File, PathBuf),
}

impl Out {
    pub(crate) fn open(app: &App, path: Option<&Path>) -> Result<Self> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            return Ok(Self::Stdout);
        };
        let path = app.current.join(path);
        let is_stream =
            std::fs::metadata(&path).is_ok_and(|found| !found.is_file() && !found.is_dir());
        if is_stream {
            let file = File::options().write(true).open(&path);
            let file = file.map_err(|error| Problem::io("write", &path, &error))?;
            return Ok(Self::Stream(file, path));
        }
        Draft::beside(&path).map(|draft| Self::File(draft, path))
    }

    /// Lets `body` write, and publishes what it wrote when it succeeds.
    pub(crate) async fn fill<T>(
        self,
        body: impl AsyncFnOnce(&mut (dyn Write + Send)) -> Result<T, Failure>,
    ) -> Result<T> {
        match self {
            Self::Stdout => {
                let mut out = BufWriter::with_capacity(1 << 16, io::stdout());
                let outcome = body(&mut out).await;
                let flushed = out.flush();
                let value = outcome.map_err(|failure| failure.explain(stdout_problem))?;
                flushed.map_err(|error| stdout_problem(&error))?;
                Ok(value)
            }
            Self::Stream(mut file, path) => {
                let outcome = body(&mut file).await;
                outcome
                    .map_err(|failure| failure.explain(|error| Problem::io("write", &path, error)))
            }
            Self::File(mut draft, path) => {
                let outcome = body(&mut draft).await;
                let value = outcome.map_err(|failure| {
                    failure.explain(|error| Problem::io("write", &path, error))
                })?;
                draft.publish()?;
                Ok(value)
            }
        }
    }
}

/// Either end of a copy can fail.
pub(crate) enum Failure {
    Answer(Problem),
    Write(io::Error),
}

impl Failure {
    fn explain(self, of_write: impl FnOnce(&io::Error) -> Problem) -> Problem {
        match self {
            Self::Answer(problem) => problem,
            Self::Write(error) => of_write(&error),
        }
    }
}

impl From<lakebed_client::ClientError> for Failure {
    fn from(error: lakebed_client::ClientError) -> Self {
        Self::Answer(error.into())
    }
}
