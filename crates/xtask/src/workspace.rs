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
    ///
    /// What cargo told us about this package is kept from it: build scripts that watch those
    /// variables would run again, and with them half of the dependencies would be compiled anew
    /// each time `cargo xtask` follows plain `cargo`.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(&self.root);
        for (name, _) in env::vars_os() {
            if name.to_str().is_some_and(is_about_a_package) {
                command.env_remove(name);
            }
        }
        command
    }
}

/// Whether cargo sets a variable of this name for the package it runs.
fn is_about_a_package(name: &str) -> bool {
    let about = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
    about.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_cargo_hears_nothing_of_this_package() {
        assert!(env::var_os("CARGO_PKG_NAME").is_some(), "cargo runs this test");
        let cargo = Workspace::find().expect("a workspace").cargo();
        let removed = |name| cargo.get_envs().any(|(key, value)| key == name && value.is_none());
        assert!(removed("CARGO_PKG_NAME") && removed("CARGO_MANIFEST_DIR"));
        assert!(!removed("CARGO_TARGET_DIR") && !removed("CARGO_HOME"));
    }
}
