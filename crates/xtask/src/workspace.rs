//! Where this repository and its build output are.

use std::{env, path::PathBuf, process::Command};

use anyhow::{Context as _, Result};
use cargo_metadata::MetadataCommand;

/// The folders every chore needs.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// The folder with the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Where cargo builds to: `target`, unless the environment or a configuration says otherwise.
    pub(crate) target: PathBuf,
}

impl Workspace {
    /// Asks cargo about the workspace we were started from: the build folder may be shared by
    /// clones in several places.
    pub(crate) fn find() -> Result<Self> {
        let ours = env::var_os("CARGO_MANIFEST_DIR").context("start this as `cargo xtask …`")?;
        let metadata = MetadataCommand::new()
            .manifest_path(PathBuf::from(ours).join("Cargo.toml"))
            .no_deps()
            .exec()
            .context("cannot ask cargo about the workspace")?;
        Ok(Self { root: metadata.workspace_root.into(), target: metadata.target_directory.into() })
    }

    /// The cargo that runs us, in the workspace's folder.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(&self.root);
        command
    }
}
