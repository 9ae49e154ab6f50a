//! The org on this machine: Contoso, shipped with the repository, or a made-up bigger one.

use std::sync::Arc;

use anyhow::{Context, Result};
use fluint_crm::SystemClock;
use fluint_crm::model::{EmailAddress, Member, MemberId};
use fluint_crm::testkit::{FakeMicrosoft, FakeServer, OrgBuilder};
use serde_json::Value;

#[path = "../data/mod.rs"]
mod data;

/// Starts the fakes on loopback.
pub(crate) async fn start(rows: Option<u64>) -> Result<FakeServer> {
    let org = match rows {
        Some(rows) => made_up(rows),
        None => data::contoso()?,
    };
    let fake = FakeMicrosoft::new(org.build(), Arc::new(SystemClock::new()));
    Ok(fake.start().await)
}

/// An org of so many rows: of each ten, four opportunities, four places in the sales process, two
/// contacts, and an account or so.
fn made_up(rows: u64) -> OrgBuilder {
    OrgBuilder::synthetic(7, rows * 2 / 5)
}

/// The people of a made-up org. One of the ten who own deals there joined Fluint with the address
/// of a sister company.
pub(crate) fn sellers() -> Result<Vec<Member>> {
    let seller = |number: u32| {
        let domain = if number == 10 { "contoso-services.com" } else { "contoso.com" };
        let email = EmailAddress::new(format!("seller{number}@{domain}"))?;
        Ok(Member::new(MemberId::new(email.local_part())?, email))
    };
    (1..=10).map(seller).collect()
}

/// Contoso's people as Fluint knows them: by the address on their business card, which is not
/// always the one in Dynamics. Three of them never joined Fluint.
pub(crate) fn members() -> Result<Vec<Member>> {
    let file: Value = serde_json::from_str(include_str!("../data/contoso/systemuser.json"))?;
    let columns = file["columns"].as_array().context("the data file names its columns")?;
    let place = |name: &str| {
        columns.iter().position(|column| column == name).context("the data file has the column")
    };
    let (address, disabled) = (place("domainname")?, place("isdisabled")?);
    let application = place("applicationid")?;
    let rows = file["rows"].as_array().context("the data file has rows")?;
    let mut members = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        let joined = number % 13 != 12 && row[disabled] == false && row[application].is_null();
        let Some(address) = row[address].as_str().filter(|_| joined) else { continue };
        let email = EmailAddress::new(address)?;
        members.push(Member::new(MemberId::new(email.local_part())?, email));
    }
    Ok(members)
}
