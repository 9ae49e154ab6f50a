//! The org that the examples sync: Contoso, 900 opportunities in three processes.
//!
//! Compiled in, so that an example needs no working directory. `generate.py` wrote the files.

use fluint_crm::testkit::OrgBuilder;

/// Contoso's rows.
///
/// # Errors
/// Never, unless a file was changed by hand.
pub(crate) fn contoso() -> fluint_crm::Result<OrgBuilder> {
    OrgBuilder::from_tables(&[
        include_str!("contoso/organization.json"),
        include_str!("contoso/transactioncurrency.json"),
        include_str!("contoso/systemuser.json"),
        include_str!("contoso/team.json"),
        include_str!("contoso/account.json"),
        include_str!("contoso/contact.json"),
        include_str!("contoso/workflow.json"),
        include_str!("contoso/processstage.json"),
        include_str!("contoso/opportunity.json"),
        include_str!("contoso/opportunitysalesprocess.json"),
        include_str!("contoso/leadtoopportunitysalesprocess.json"),
        include_str!("contoso/new_bpf_5d1f0c7e9b3a4f62a8d04c6e2b915a77.json"),
    ])
}
