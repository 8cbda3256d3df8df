//! Who asks, and API tokens to prove it.

use lakebed_api::{NewToken, TokenList, TokenRequest, TokenSummary, WhoAmI};
use lakebed_core::TokenId;

use crate::{Client, ClientError};

impl Client {
    /// Who asks, as the lake sees it.
    ///
    /// # Errors
    /// [`ClientError`], here and below.
    pub async fn whoami(&self) -> Result<WhoAmI, ClientError> {
        self.get(&["v1", "whoami"]).fetch().await
    }

    /// Makes a token. Its secret is in the answer and nowhere else: an answer that was lost leaves a
    /// token behind that nobody knows.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn create_token(&self, request: &TokenRequest) -> Result<NewToken, ClientError> {
        self.post(&["v1", "tokens"]).json(request).fetch().await
    }

    /// The caller's tokens, or everybody's, the newest first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn tokens(&self, everybodys: bool) -> Result<TokenList, ClientError> {
        self.get(&["v1", "tokens"]).query("all", everybodys.then_some(true)).fetch().await
    }

    /// Takes a token back, with all that were made with it where that is asked for.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn revoke_token(
        &self,
        id: TokenId,
        and_made_with_it: bool,
    ) -> Result<TokenSummary, ClientError> {
        self.delete(&["v1", "tokens", &id.to_string()])
            .query("and_made_with_it", and_made_with_it.then_some(true))
            .fetch()
            .await
    }
}
