//! Servers that tests talk to: started once for a run, on loopback, in folders of their own.
//!
//! Each service is a plain struct whose `Drop` stops it and removes what it left. A service that
//! cannot be started fails the run: no engine is left out silently. What a server is and how it is
//! installed is [`crate::setup`]'s business; who connects to it is the tests'.

pub(crate) mod ports;
#[allow(dead_code, unreachable_pub, reason = "the testkit includes this file, and uses more of it")]
pub(crate) mod postgres;
mod s3;

use anyhow::{Context as _, Result};

use self::{postgres::Cluster, s3::S3Server};
use crate::setup;

/// Everything that runs beside the tests.
#[derive(Debug)]
pub(crate) struct Services {
    postgres: Cluster,
    s3: S3Server,
}

impl Services {
    /// Starts all of them and waits until they answer.
    ///
    /// # Errors
    /// When one cannot be installed or does not come up; those that did are stopped again.
    pub(crate) fn start() -> Result<Self> {
        setup::postgres()?;
        let postgres = Cluster::start().context("PostgreSQL does not start for the tests")?;
        Ok(Self { postgres, s3: S3Server::start()? })
    }

    /// The variables that tell tests where the services are.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("LAKEBED_TEST_POSTGRES", self.postgres.url()),
            ("LAKEBED_TEST_S3", self.s3.endpoint()),
        ]
    }
}
