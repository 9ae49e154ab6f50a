//! The host's members: read from the org's own data, so that the story has somebody to match.

use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use async_trait::async_trait;
use fluint_crm::Crm;
use fluint_crm::host::Members;
use fluint_crm::model::query::Scope;
use fluint_crm::model::{
    EmailAddress, Member, MemberId, RecordId, Rows, Table, User, UserKind, WorkspaceId,
};

/// The members, which change while the story goes on.
#[derive(Debug, Default)]
pub(crate) struct People(Mutex<Vec<Member>>);

#[async_trait]
impl Members for People {
    async fn members(&self, _workspace: &WorkspaceId) -> fluint_crm::Result<Vec<Member>> {
        Ok(self.lock().clone())
    }
}

impl People {
    pub(crate) fn new(members: Vec<Member>) -> Self {
        Self(Mutex::new(members))
    }

    /// Makes members of the org's users when there are none yet, and says whether it did.
    pub(crate) async fn take_everybody(&self, crm: &Crm, workspace: &WorkspaceId) -> Result<bool> {
        if !self.lock().is_empty() {
            return Ok(false);
        }
        let mut taken = Vec::new();
        for (connection, _) in crm.query().as_of(&Scope::workspace(workspace.clone())).await? {
            let mut after: Option<RecordId> = None;
            loop {
                let page = crm
                    .query()
                    .scan(workspace, connection, Table::Users, after.as_ref(), 500)
                    .await?;
                let Rows::Users(users) = page else { break };
                let Some(last) = users.last() else { break };
                after = Some(last.id.clone().into());
                taken.extend(users.iter().filter_map(member));
            }
        }
        let found = !taken.is_empty();
        *self.lock() = taken;
        Ok(found)
    }

    /// Adds an alternate address to a member.
    pub(crate) fn add_alternate(&self, id: &MemberId, email: &EmailAddress) {
        for member in self.lock().iter_mut().filter(|member| member.id == *id) {
            member.alternate_emails.push(email.clone());
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Member>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn member(user: &User) -> Option<Member> {
    let email = user.email.clone().filter(|_| user.kind == UserKind::Person)?;
    Some(Member::new(MemberId::new(user.id.as_str()).ok()?, email))
}
