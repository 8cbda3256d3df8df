//! What only a folder can be asked: files, names, rights, and other processes.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
    process::Command,
};

use lakebed_core::ObjectId;
use lakebed_store::{Error, Root, Store, Trust};

use crate::lake::{GROUP, Lake, bytes};

/// Set for the child that runs a test without the rights of root.
const UNPRIVILEGED: &str = "LAKEBED_TEST_UNPRIVILEGED";

/// Any tool that knows BLAKE3 can check a lake without us.
#[tokio::test]
async fn a_file_is_named_by_its_digest() {
    let lake = Lake::folder();
    let bytes = bytes(3 * GROUP);
    let object = lake.put(&bytes).await;
    for id in [object.id, object.tree.unwrap()] {
        let hex = id.to_string();
        let path = lake.root.path().join("objects").join(&hex[..2]).join(&hex);
        assert_eq!(lake.store.local_path(id), Some(path.clone()));
        assert_eq!(ObjectId::of(&fs::read(&path).unwrap()), id);
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(metadata.mode() & 0o222, 0, "an accidental edit fails");
        assert_eq!(metadata.nlink(), 1, "scratch keeps no second name");
    }
}

/// P1: the lake's copy is its own, whatever happens to the file it was made from.
#[tokio::test]
async fn the_original_is_never_the_lakes_file() {
    let lake = Lake::folder();
    let path = lake.root.path().join("original");
    for length in [100, 5 * GROUP] {
        let before = bytes(length);
        fs::write(&path, &before).unwrap();
        let staged = lake.store.stage_path(&path, &|_| ()).unwrap();
        let object = lake.store.publish(&staged, Trust::Unnamed).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().nlink(), 1);
        fs::write(&path, "edited in place").unwrap();
        assert!(lake.newcomer().get(&object).await.unwrap() == before);
        assert_ne!(fs::metadata(&path).unwrap().permissions().mode() & 0o200, 0);
    }
}

#[tokio::test]
async fn only_own_scratch_files_are_adopted() {
    let lake = Lake::folder();
    let scratch = lake.store.scratch_dir().to_owned();
    let outside = lake.root.path().join("outside");
    fs::write(&outside, "someone's").unwrap();
    fs::hard_link(&outside, scratch.join("linked")).unwrap();
    std::os::unix::fs::symlink(&outside, scratch.join("symlink")).unwrap();
    let dotted = scratch.join("../../outside");
    for path in [outside.clone(), scratch.join("linked"), scratch.join("symlink"), dotted] {
        let adopted = lake.store.adopt(path.clone());
        assert!(matches!(adopted, Err(Error::NotOurs { .. })), "{}", path.display());
    }
    assert_ne!(fs::metadata(&outside).unwrap().permissions().mode() & 0o200, 0);
    assert_eq!(fs::read(&outside).unwrap(), b"someone's");
}

#[tokio::test]
async fn a_failed_put_leaves_no_stray_file() {
    let lake = Lake::folder();
    fs::write(lake.root.path().join("objects"), "in the way").unwrap();
    let path = lake.store.scratch_dir().join("staged");
    fs::write(&path, bytes(3 * GROUP)).unwrap();
    let staged = lake.store.adopt(path).unwrap();
    assert!(lake.store.publish(&staged, Trust::Unnamed).await.is_err());
    assert!(lake.store.put(bytes(5), Trust::Unnamed).await.is_err());
    drop(staged);
    assert_eq!(lake.keys().await, ["objects"]);
    assert_eq!(lake.scratch_files(), 0);
}

/// Folders are made again if someone removes them while we run.
#[tokio::test]
async fn a_folder_that_was_removed_is_made_again() {
    let lake = Lake::folder();
    let object = lake.put(&bytes(5)).await;
    fs::remove_dir_all(lake.root.path().join("objects")).unwrap();
    assert_eq!(lake.put(&bytes(5)).await, object);
    lake.store.verify(&object).await.unwrap();
}

#[tokio::test]
async fn stores_on_one_folder_share_objects_and_not_scratch() {
    let root = tempfile::tempdir().unwrap();
    let open = async || Store::open(&Root::Folder(root.path().to_owned())).await.unwrap();
    let (one, two) = (open().await, open().await);
    assert_ne!(one.scratch_dir(), two.scratch_dir());
    let object = one.put(bytes(2 * GROUP), Trust::Unnamed).await.unwrap();
    assert!(two.get(&object).await.unwrap() == bytes(2 * GROUP));
    assert_eq!(two.put(bytes(2 * GROUP), Trust::Unnamed).await.unwrap(), object);
    drop((one, two));
    assert_eq!(fs::read_dir(root.path().join("tmp")).unwrap().count(), 0);
}

#[tokio::test]
async fn what_is_no_lake_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let reason = async |root: &str| match Store::open(&root.parse().unwrap()).await {
        Err(error @ Error::Root { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(reason(file.to_str().unwrap()).await.contains("not a folder"));
    assert!(reason("./no/such/folder").await.contains("no such folder"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_memory_is_shared_by_name() {
    let open = async |url: &str| Store::open(&url.parse().unwrap()).await.unwrap();
    let (one, two) = (open("memory://shared").await, open("memory://shared").await);
    one.create("lakebed.json", "{}".into()).await.unwrap();
    assert_eq!(two.read("lakebed.json").await.unwrap().unwrap(), "{}");
    assert_eq!(open("memory://other").await.read("lakebed.json").await.unwrap(), None);
    assert_eq!(open("memory://shared/x").await.read("lakebed.json").await.unwrap(), None);
}

#[tokio::test]
async fn a_full_scratch_refuses_more_and_is_free_again() {
    let lake = Lake::memory();
    let scratch = lakebed_store::Scratch::in_system().unwrap().limited(Some(1000));
    let store = Store::new(lake.below, scratch);
    let stage = async |length: usize| {
        store
            .stage_stream(futures::stream::iter([Ok(bytes(length / 2)), Ok(bytes(length / 2))]))
            .await
    };
    let kept = stage(800).await.unwrap();
    assert!(matches!(stage(400).await, Err(Error::Full { .. })));
    assert_eq!(fs::read_dir(store.scratch_dir()).unwrap().count(), 1, "only what is kept");
    drop(kept);
    stage(1000).await.unwrap();
}

/// What may not be written can be read, and refuses to be written by name.
#[test]
fn a_folder_that_may_not_be_written_can_be_read() {
    if std::env::var_os(UNPRIVILEGED).is_some() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let lake = folder.path().join("lake");
    fs::create_dir(&lake).unwrap();
    fs::create_dir_all(lake.join("objects")).unwrap();
    fs::write(lake.join("lakebed.json"), "{}").unwrap();
    allow(folder.path(), 0o755);
    allow(&lake.join("objects"), 0o555);
    allow(&lake, 0o555);
    run_unprivileged(folder.path(), "folder::unprivileged::reads_and_is_refused", &lake);
    assert_eq!(fs::read_dir(&lake).unwrap().count(), 2, "nothing was made");
    allow(&lake, 0o755);
}

fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Runs one test of this binary as a user who is not root, whom no rights would stop.
fn run_unprivileged(folder: &Path, test: &str, lake: &Path) {
    use std::os::unix::process::CommandExt as _;
    let program = folder.join("suite");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    allow(&program, 0o755);
    let mut command = Command::new(&program);
    command.args(["--exact", test, "--ignored"]).env(UNPRIVILEGED, lake).current_dir("/");
    if rustix::process::geteuid().is_root() {
        command.uid(65534).gid(65534);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

mod unprivileged {
    use super::*;

    #[tokio::test]
    #[ignore = "run by a_folder_that_may_not_be_written_can_be_read, as another user"]
    async fn reads_and_is_refused() {
        let Some(lake) = std::env::var_os(UNPRIVILEGED) else { return };
        let store = Store::open(&Root::Folder(lake.into())).await.unwrap();
        assert_eq!(store.read("lakebed.json").await.unwrap().unwrap(), "{}");
        let staged = store.stage_path(Path::new("/proc/version"), &|_| ()).unwrap();
        let refused = [
            store.put(bytes(5), Trust::Unnamed).await.map(drop),
            store.publish(&staged, Trust::Unnamed).await.map(drop),
            store.create("new.json", "x".into()).await.map(drop),
            store.replace_torn("lakebed.json", &"{}".into(), "x".into()).await,
            store.hash_path(Path::new("/etc/shadow")).map(drop),
        ];
        for (index, refused) in refused.into_iter().enumerate() {
            assert!(matches!(refused, Err(Error::Denied { .. })), "{index}: {refused:?}");
        }
    }
}
