//! Making bytes an object: whole, durable, and checked against what may be there already.
//!
//! "Already there" is success only if what is there is the object. Who may be believed about that is
//! the caller's to say: see [`Trust`].

use bytes::Bytes;
use lakebed_core::{ObjectId, StoredObject};

use crate::{
    Content, Created, Error, Result, Staged, Store, error::blocking, read::digest_of_key,
    tree::Digest,
};

/// Bytes are hashed off the async threads from this length on.
const HASH_ELSEWHERE: usize = 64 * 1024;

/// How often a create is tried again when what was in its way has vanished.
const TRIES: usize = 3;

/// What is known of an object that is in our way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// A committed version names the object, so that it was once whole and durable: it is enough
    /// that its length is right.
    Named,
    /// Nobody vouches for it: it is hashed before it is trusted, and replaced if it is torn.
    Unnamed,
}

impl Store {
    /// Makes a staged file an object: first its hash tree, then itself, durably.
    ///
    /// Atomic: readers see the whole object or none. "Already there" is success once what is there
    /// has been checked as `trust` says; what is torn is replaced.
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::Full`], [`Error::Unavailable`]. The object may then be there,
    /// whole, and storing it again is harmless.
    pub async fn publish(&self, staged: &Staged, trust: Trust) -> Result<StoredObject> {
        let object = staged.object();
        if let (Some(id), Some(tree)) = (object.tree, staged.tree()) {
            self.place(id, &tree.to_bytes().into(), trust).await?;
        }
        self.place(object.id, &staged.content(), trust).await?;
        Ok(object)
    }

    /// Stores bytes that are in memory, as [`Self::publish`] does.
    ///
    /// # Errors
    /// As [`Self::publish`].
    pub async fn put(&self, bytes: Bytes, trust: Trust) -> Result<StoredObject> {
        let digest = digest_of(&bytes).await?;
        let object = digest.object();
        if let (Some(id), Some(tree)) = (object.tree, &digest.tree) {
            self.place(id, &tree.to_bytes().into(), trust).await?;
        }
        self.place(object.id, &bytes.into(), trust).await?;
        Ok(object)
    }

    /// Makes `content`, whose digest is `id`, be there.
    async fn place(&self, id: ObjectId, content: &Content, trust: Trust) -> Result<()> {
        let (key, size_bytes) = (id.key(), content.size_bytes());
        if trust == Trust::Named && self.backend.size(&key).await? == Some(size_bytes) {
            return Ok(());
        }
        for _ in 0..TRIES {
            let broke_off = match self.backend.create(&key, content).await {
                Ok(Created::New) => {
                    tracing::debug!(object = %id, size_bytes, "stored an object");
                    return Ok(());
                }
                Ok(Created::Existed) => None,
                Err(error @ Error::Unavailable { .. }) => Some(error),
                Err(error) => return Err(error),
            };
            let found = match (self.is_there(id, size_bytes).await, broke_off) {
                (Ok(found), None) => found,
                (Ok(Some(found)), Some(_)) => Some(found),
                (Ok(None) | Err(_), Some(broke_off)) => return Err(broke_off),
                (Err(error), None) => return Err(error),
            };
            match found {
                Some(true) => return Ok(()),
                Some(false) => return self.heal(id, content).await,
                // It vanished between the two looks.
                None => {}
            }
        }
        Err(Error::not_found(&key))
    }

    /// Whether exactly the object's bytes are at its key; nothing if nothing is there.
    async fn is_there(&self, id: ObjectId, size_bytes: u64) -> Result<Option<bool>> {
        match self.backend.size(&id.key()).await? {
            Some(found) if found == size_bytes => {}
            other => return Ok(other.map(|_| false)),
        }
        let found = digest_of_key(&self.backend, &id.key()).await?;
        Ok(found.map(|digest| digest.id == id))
    }

    async fn heal(&self, id: ObjectId, content: &Content) -> Result<()> {
        tracing::warn!(object = %id, "an object was torn or damaged, and is replaced by its bytes");
        self.backend.replace(&id.key(), content).await
    }
}

/// Hashes bytes, off the async threads if it takes long.
async fn digest_of(bytes: &Bytes) -> Result<Digest> {
    if bytes.len() <= HASH_ELSEWHERE {
        return Ok(Digest::of(bytes));
    }
    let bytes = bytes.clone();
    blocking(move || Ok(Digest::of(&bytes))).await
}
