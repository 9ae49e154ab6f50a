//! Rows as somebody would write them down without a second thought.

use serde::Deserialize;

/// A page of rows.
#[derive(Deserialize)]
pub(crate) struct Page<T> {
    pub(crate) value: Vec<T>,
    #[serde(rename = "@odata.nextLink")]
    pub(crate) next: Option<String>,
}

macro_rules! row {
    ($name:ident { $($field:ident: $type:ty = $column:literal,)* }) => {
        #[derive(Deserialize)]
        #[allow(dead_code, reason = "a reader pays for every column, used or not")]
        pub(crate) struct $name {
            $(#[serde(rename = $column)] pub(crate) $field: Option<$type>,)*
        }
    };
}

row! {
    Account {
        id: String = "accountid",
        name: String = "name",
        website: String = "websiteurl",
        email: String = "emailaddress1",
        phone: String = "telephone1",
        employees: i64 = "numberofemployees",
        city: String = "address1_city",
        country: String = "address1_country",
        parent: String = "_parentaccountid_value",
        primary_contact: String = "_primarycontactid_value",
        owner: String = "_ownerid_value",
        owner_table: String = "_ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname",
        owning_user: String = "_owninguser_value",
        owning_team: String = "_owningteam_value",
        state: i64 = "statecode",
        merged: bool = "merged",
        master: String = "_masterid_value",
        created_at: String = "createdon",
        modified_at: String = "modifiedon",
        version: i64 = "versionnumber",
    }
}

row! {
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
        parent_table: String = "_parentcustomerid_value@Microsoft.Dynamics.CRM.lookuplogicalname",
        owner: String = "_ownerid_value",
        owner_table: String = "_ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname",
        owning_user: String = "_owninguser_value",
        owning_team: String = "_owningteam_value",
        state: i64 = "statecode",
        merged: bool = "merged",
        master: String = "_masterid_value",
        created_at: String = "createdon",
        modified_at: String = "modifiedon",
        version: i64 = "versionnumber",
    }
}

row! {
    Opportunity {
        id: String = "opportunityid",
        name: String = "name",
        owner: String = "_ownerid_value",
        owner_table: String = "_ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname",
        owning_user: String = "_owninguser_value",
        owning_team: String = "_owningteam_value",
        state: i64 = "statecode",
        reason: i64 = "statuscode",
        customer: String = "_customerid_value",
        customer_table: String = "_customerid_value@Microsoft.Dynamics.CRM.lookuplogicalname",
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
    }
}

row! {
    Instance {
        id: String = "businessprocessflowinstanceid",
        stage: String = "_activestageid_value",
        process: String = "_processid_value",
        opportunity: String = "_opportunityid_value",
        state: i64 = "statecode",
        reason: i64 = "statuscode",
        since: String = "activestagestartedon",
        modified_at: String = "modifiedon",
        version: i64 = "versionnumber",
    }
}

// A row of a small table that is read and not kept.
row! {
    Other {
        version: i64 = "versionnumber",
    }
}
