//! The yardstick: the same columns in structs as anyone would write them, texts and ids owned, money
//! in floating point, times unread.

use serde::Deserialize;

/// Decodes a page of opportunities, and gives the number of its rows.
pub(crate) fn opportunities(body: &[u8]) -> usize {
    rows::<Opportunity>(body)
}

/// Decodes a page of contacts, and gives the number of its rows.
pub(crate) fn contacts(body: &[u8]) -> usize {
    rows::<Contact>(body)
}

fn rows<R: for<'de> Deserialize<'de>>(body: &[u8]) -> usize {
    let page = serde_json::from_slice::<Page<R>>(body).ok();
    page.filter(|page| page.next_link.is_some()).map_or(0, |page| page.value.len())
}

#[derive(Deserialize)]
struct Page<R> {
    value: Vec<R>,
    #[serde(rename = "@odata.nextLink")]
    next_link: Option<String>,
}

macro_rules! plain_row {
    ($name:ident { $($field:ident: $type:ty = $column:literal,)* }) => {
        #[derive(Deserialize)]
        #[expect(dead_code, reason = "decoded for the time it takes")]
        struct $name {
            $(#[serde(rename = $column)] $field: Option<$type>,)*
        }
    };
}

plain_row! {
    Opportunity {
        id: String = "opportunityid",
        name: String = "name",
        owner: String = "_ownerid_value",
        owning_user: String = "_owninguser_value",
        owning_team: String = "_owningteam_value",
        state: i64 = "statecode",
        reason: i64 = "statuscode",
        customer: String = "_customerid_value",
        account: String = "_parentaccountid_value",
        contact: String = "_parentcontactid_value",
        stage: String = "stageid",
        process: String = "processid",
        step_name: String = "stepname",
        estimate: f64 = "estimatedvalue",
        estimate_base: f64 = "estimatedvalue_base",
        actual: f64 = "actualvalue",
        actual_base: f64 = "actualvalue_base",
        currency: String = "_transactioncurrencyid_value",
        close_date: String = "estimatedclosedate",
        closed_on: String = "actualclosedate",
        probability: i64 = "closeprobability",
        created_at: String = "createdon",
        modified_at: String = "modifiedon",
        version: i64 = "versionnumber",
        customer_table: String = "_customerid_value@Microsoft.Dynamics.CRM.lookuplogicalname",
        owner_table: String = "_ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname",
    }
}

plain_row! {
    Contact {
        id: String = "contactid",
        name: String = "fullname",
        email1: String = "emailaddress1",
        email2: String = "emailaddress2",
        email3: String = "emailaddress3",
        phone: String = "telephone1",
        job_title: String = "jobtitle",
        department: String = "department",
        parent: String = "_parentcustomerid_value",
        owner: String = "_ownerid_value",
        owning_user: String = "_owninguser_value",
        owning_team: String = "_owningteam_value",
        state: i64 = "statecode",
        merged: bool = "merged",
        master: String = "_masterid_value",
        created_at: String = "createdon",
        modified_at: String = "modifiedon",
        version: i64 = "versionnumber",
        parent_table: String =
            "_parentcustomerid_value@Microsoft.Dynamics.CRM.lookuplogicalname",
        owner_table: String = "_ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname",
    }
}
