//! A store with somebody watching: every call of every role passes by a [`StoreWatch`].

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures_util::future::BoxFuture;

use crate::error::{Error, Result};
use crate::storage::{Claim, Stores};

mod ledger;
mod mirror;
mod records;
mod work;

/// Sees every call of a store before it begins and after it ended.
///
/// A watch may take its time, or never return: the caller waits at that await.
#[async_trait]
pub trait StoreWatch: fmt::Debug + Send + Sync + 'static {
    /// A call is about to begin; nothing has happened yet.
    async fn before(&self, call: &StoreCall<'_>);

    /// Lets the call itself run, between `before` and `after`; by default it is awaited.
    ///
    /// A simulation blocks here until the call has ended: then a store with threads of its own
    /// gives its answers in one order only, and the same seed the same run.
    async fn during(&self, call: BoxFuture<'_, ()>) {
        call.await;
    }

    /// A call has ended; the caller does not know yet.
    async fn after(&self, call: &StoreCall<'_>, end: CallEnd);
}

/// A call of a store.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct StoreCall<'a> {
    /// The method's name.
    pub name: &'static str,
    /// Whether it may change what is stored.
    pub access: Access,
    /// The claim that it writes under, when it needs one.
    pub claim: Option<&'a Claim>,
}

/// What a call does to the store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a call changes something or does not")]
pub enum Access {
    /// It only looks.
    Read,
    /// It may change something; the writes of a watched store are numbered from 1, in the order in
    /// which they begin.
    Write(u64),
}

/// How a call ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a result has two sides")]
pub enum CallEnd {
    /// With an error: by the contract of a store, nothing was changed.
    Failed,
    /// Well: what it wrote is durable.
    Succeeded,
}

/// A store whose calls pass by a watch; see [`WatchedStore::wrap`].
#[derive(Debug)]
pub struct WatchedStore {
    inner: Stores,
    watch: Arc<dyn StoreWatch>,
    writes: AtomicU64,
}

impl WatchedStore {
    /// Lets a watch see every call of every role.
    #[must_use]
    pub fn wrap(inner: Stores, watch: Arc<dyn StoreWatch>) -> Stores {
        Stores::all(Arc::new(Self { inner, watch, writes: AtomicU64::new(0) }))
    }

    async fn read<T: Send>(
        &self,
        name: &'static str,
        step: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        self.pass(StoreCall { name, access: Access::Read, claim: None }, step).await
    }

    async fn write<T: Send>(
        &self,
        name: &'static str,
        step: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        self.pass(StoreCall { name, access: self.next_write(), claim: None }, step).await
    }

    async fn claimed<T: Send>(
        &self,
        name: &'static str,
        claim: &Claim,
        step: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        self.pass(StoreCall { name, access: self.next_write(), claim: Some(claim) }, step).await
    }

    fn next_write(&self) -> Access {
        Access::Write(self.writes.fetch_add(1, Ordering::Relaxed) + 1)
    }

    async fn pass<T: Send>(
        &self,
        call: StoreCall<'_>,
        step: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        self.watch.before(&call).await;
        let mut outcome = None;
        self.watch.during(Box::pin(async { outcome = Some(step.await) })).await;
        let outcome =
            outcome.unwrap_or_else(|| Err(Error::store(call.name, "the watch dropped the call")));
        let end = if outcome.is_ok() { CallEnd::Succeeded } else { CallEnd::Failed };
        self.watch.after(&call, end).await;
        outcome
    }
}
