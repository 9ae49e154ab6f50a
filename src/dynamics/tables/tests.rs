use serde_json::{Value, json};
use uuid::Uuid;

use crate::dynamics::tables::accounts::Accounts;
use crate::dynamics::tables::contacts::Contacts;
use crate::dynamics::tables::currencies::Currencies;
use crate::dynamics::tables::opportunities::Opportunities;
use crate::dynamics::tables::role_check::check;
use crate::dynamics::tables::stages::Stages;
use crate::dynamics::tables::users::Users;

fn id(number: u128) -> Value {
    Uuid::from_u128(number).to_string().into()
}

#[test]
fn r_21_the_columns_of_accounts_are_what_they_are_declared_to_be() {
    check(
        &Accounts,
        &json!({
            "accountid": id(1), "name": "Contoso", "websiteurl": "contoso.com",
            "emailaddress1": "info@contoso.com", "telephone1": "+49 1", "numberofemployees": 7,
            "address1_city": "Bonn", "address1_country": "Germany",
            "_parentaccountid_value": id(2), "_primarycontactid_value": id(3),
            "_ownerid_value": id(4), "_owninguser_value": id(4), "_owningteam_value": null,
            "_ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname": "systemuser",
            "statecode": 1, "merged": false, "_masterid_value": null,
            "createdon": "2026-01-02T03:04:05Z", "modifiedon": "2026-02-01T21:59:01Z",
            "versionnumber": 7
        }),
    );
}

#[test]
fn r_21_the_columns_of_contacts_are_what_they_are_declared_to_be() {
    check(
        &Contacts,
        &json!({
            "contactid": id(1), "fullname": "Ada", "emailaddress1": "a@contoso.com",
            "emailaddress2": "b@contoso.com", "emailaddress3": "c@contoso.com",
            "telephone1": "+49 1", "jobtitle": "Head", "department": "IT",
            "_parentcustomerid_value": id(2),
            "_parentcustomerid_value@Microsoft.Dynamics.CRM.lookuplogicalname": "account",
            "_ownerid_value": id(4), "_owninguser_value": null, "_owningteam_value": id(4),
            "_ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname": "team",
            "statecode": 1, "merged": false, "_masterid_value": null,
            "createdon": "2026-01-02T03:04:05Z", "modifiedon": "2026-02-01T21:59:01Z",
            "versionnumber": 7
        }),
    );
}

#[test]
fn r_21_the_columns_of_opportunities_are_what_they_are_declared_to_be() {
    check(
        &Opportunities,
        &json!({
            "opportunityid": id(1), "name": "Deal",
            "_ownerid_value": id(4), "_owninguser_value": id(4), "_owningteam_value": null,
            "_ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname": "systemuser",
            "statecode": 2, "statuscode": 4, "_customerid_value": id(5),
            "_customerid_value@Microsoft.Dynamics.CRM.lookuplogicalname": "account",
            "_parentaccountid_value": id(5), "_parentcontactid_value": id(6),
            "stageid": id(7), "processid": id(8), "stepname": "2-Develop",
            "estimatedvalue": 100.5, "estimatedvalue_base": 90.5, "actualvalue": 80.5,
            "actualvalue_base": 70.5, "_transactioncurrencyid_value": id(9),
            "estimatedclosedate": "2026-03-31", "actualclosedate": "2026-02-28",
            "closeprobability": 60,
            "createdon": "2026-01-02T03:04:05Z", "modifiedon": "2026-02-01T21:59:01Z",
            "versionnumber": 7
        }),
    );
}

#[test]
fn r_21_the_columns_of_users_are_what_they_are_declared_to_be() {
    check(
        &Users,
        &json!({
            "systemuserid": id(1), "fullname": "Ada", "internalemailaddress": "a@contoso.com",
            "domainname": "ada@contoso.com", "isdisabled": true, "accessmode": 4,
            "applicationid": id(2), "versionnumber": 7
        }),
    );
}

#[test]
fn r_21_the_columns_of_small_tables_are_what_they_are_declared_to_be() {
    check(
        &Currencies { base: None },
        &json!({
            "transactioncurrencyid": id(1), "isocurrencycode": "EUR", "currencyname": "Euro",
            "currencysymbol": "€", "currencyprecision": 2
        }),
    );
    check(
        &Stages::any(Vec::new()),
        &json!({
            "processstageid": id(1), "stagename": "Develop", "stagecategory": 1,
            "_processid_value": id(2)
        }),
    );
}
