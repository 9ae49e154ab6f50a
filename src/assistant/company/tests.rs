use std::collections::BTreeMap;

use async_trait::async_trait;
use proptest::prelude::*;
use time::OffsetDateTime;
use uuid::Uuid;

use super::*;
use crate::model::{Record, RecordId, Rows, Table, WorkspaceId};

/// Accounts, two connections of them.
#[derive(Debug)]
struct Held(BTreeMap<(ConnectionId, AccountId), Account>);

#[async_trait]
impl Query for Held {
    async fn scan(
        &self,
        _: &WorkspaceId,
        connection: ConnectionId,
        table: Table,
        after: Option<&RecordId>,
        limit: u32,
    ) -> Result<Rows> {
        assert_eq!(table, Table::Accounts);
        let of_it = self.0.iter().filter(|((of, _), row)| {
            *of == connection && after.is_none_or(|after| row.record_id() > *after)
        });
        Ok(Rows::Accounts(of_it.take(limit as usize).map(|(_, row)| row.clone()).collect()))
    }

    async fn as_of(&self, scope: &Scope) -> Result<Vec<(ConnectionId, Option<OffsetDateTime>)>> {
        let all = [connection(1), connection(2)].into_iter();
        let wanted = all.filter(|one| scope.connection.is_none_or(|only| only == *one));
        Ok(wanted.map(|one| (one, None)).collect())
    }
}

fn connection(number: u128) -> ConnectionId {
    ConnectionId::new(Uuid::from_u128(number))
}

fn any_account() -> impl Strategy<Value = (u128, Account)> {
    let names = ["", "Contoso", "Contoso GmbH", "Contosso", "Fabrikam", "unknown", "Woodgrove"];
    let name = prop::sample::select(names.to_vec());
    let site = prop::sample::select(vec!["", "", "contoso.com", "contoso.de", "fb.com/x"]);
    let email = prop::sample::select(vec!["", "", "a@contoso.com", "a@fabrikam.de", "a@gmx.de"]);
    (1..3_u128, 0..9_u8, 0..30_u8, name, site, email).prop_map(
        |(connection, id, other, name, site, email)| {
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            let mut account = Account::new(AccountId::new(format!("a{id}")).unwrap());
            (account.name, account.website, account.email) = (some(name), some(site), some(email));
            if other < 9 {
                let survivor = AccountId::new(format!("a{other}")).unwrap();
                account.status = AccountStatus::MergedInto(survivor);
            }
            (connection, account)
        },
    )
}

proptest! {
    /// What is read of an account's surroundings tells the same as all accounts do.
    #[test]
    fn acc_1_the_company_of_an_account_is_that_of_the_whole_view(
        accounts in prop::collection::vec(any_account(), 1..16)
    ) {
        let accounts: BTreeMap<_, _> = accounts
            .into_iter()
            .map(|(number, row)| ((connection(number), row.id.clone()), row))
            .collect();
        let held = Held(accounts);
        let all = unify_accounts(held.0.iter().map(|((of, _), row)| (*of, row)));
        let scope = Scope::workspace(WorkspaceId::new("acme").unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for ((of, id), row) in &held.0 {
            let place = (*of, id.clone());
            let whole = all.iter().find(|company| company.members.contains(&place)).unwrap();
            let account = Found { connection: *of, row: row.clone() };
            let found = runtime.block_on(company_of(&held, &scope, account)).unwrap();
            let Kinship { company, accounts, is_cut } = found;
            prop_assert_eq!(&company.key, &whole.key);
            prop_assert!(!is_cut);
            prop_assert_eq!((accounts[0].connection, &accounts[0].row.id), (*of, id));
            // What was merged into one that is there is that one.
            let is_own = |member: &(ConnectionId, AccountId)| match &held.0[member].status {
                AccountStatus::MergedInto(into) => {
                    *member == place || !held.0.contains_key(&(member.0, into.clone()))
                }
                _ => true,
            };
            let own: Vec<_> = whole.members.iter().filter(|member| is_own(member)).cloned().collect();
            let mut found: Vec<_> =
                accounts.iter().map(|one| (one.connection, one.row.id.clone())).collect();
            found.sort();
            prop_assert_eq!(found, own);
        }
    }
}
