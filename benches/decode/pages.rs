//! Pages as the service sends them: every column that is asked for, in the service's order, and the
//! annotation of each lookup that is set.

use std::fmt::Write;

/// Rows of a page: as many as the service ever sends.
pub(crate) const ROWS: usize = 5_000;

/// A page of open opportunities.
pub(crate) fn opportunities() -> Vec<u8> {
    page("opportunities", opportunity)
}

/// A page of contacts.
pub(crate) fn contacts() -> Vec<u8> {
    page("contacts", contact)
}

fn page(set: &str, row: fn(&mut String, usize)) -> Vec<u8> {
    const ROOT: &str = "https://contoso.api.crm4.dynamics.com/api/data/v9.2";
    let mut body = format!("{{\"@odata.context\":\"{ROOT}/$metadata#{set}\",\"value\":[");
    for number in 0..ROWS {
        body.push_str(if number == 0 { "{" } else { ",{" });
        // Writing to a String cannot fail.
        let _ = write!(body, "\"@odata.etag\":\"W/\\\"{}\\\"\"", 4_711_223 + number);
        row(&mut body, number);
        body.push('}');
    }
    let cookie = "%253ccookie%2520pagenumber%253d%25222%2522%253e".repeat(8);
    let _ = write!(body, "],\"@odata.nextLink\":\"{ROOT}/{set}?$skiptoken={cookie}\"}}");
    body.into_bytes()
}

fn opportunity(row: &mut String, number: usize) {
    let escaped = if number.is_multiple_of(20) { "\\\"Phase\\u00a02\\\"" } else { "Phase 2" };
    text(row, "name", &format!("Contoso {escaped} roll-out, {} seats", number % 700));
    lookup(row, "_ownerid_value", "systemuser", number % 60);
    lookup(row, "_owninguser_value", "systemuser", number % 60);
    null(row, "_owningteam_value");
    raw(row, "statecode", 0);
    raw(row, "statuscode", 1 + number % 2);
    lookup(row, "_customerid_value", "account", number % 900);
    lookup(row, "_parentaccountid_value", "account", number % 900);
    lookup(row, "_parentcontactid_value", "contact", number % 1_500);
    guid(row, "stageid", number % 4);
    guid(row, "processid", 1);
    text(row, "stepname", "2-Develop");
    raw(row, "estimatedvalue", format!("{}.{:04}", 1_000 + number * 37, number % 3 * 2_500));
    raw(row, "estimatedvalue_base", format!("{}.{:04}", 900 + number * 35, number % 9_999));
    null(row, "actualvalue");
    null(row, "actualvalue_base");
    lookup(row, "_transactioncurrencyid_value", "transactioncurrency", 1);
    text(row, "estimatedclosedate", &format!("2026-{:02}-{:02}", 1 + number % 12, 1 + number % 28));
    null(row, "actualclosedate");
    raw(row, "closeprobability", number % 101);
    times(row, number);
    raw(row, "versionnumber", 4_711_223 + number);
    guid(row, "opportunityid", number);
}

fn contact(row: &mut String, number: usize) {
    text(row, "fullname", &format!("Ada Lovelace-M\u{fc}ller {number}"));
    text(row, "emailaddress1", &format!("Ada.Lovelace-Mueller{number}@Contoso.example.com"));
    if number.is_multiple_of(4) {
        text(row, "emailaddress2", &format!("ada{number}@home.example.org"));
    } else {
        null(row, "emailaddress2");
    }
    null(row, "emailaddress3");
    text(row, "telephone1", &format!("+49 30 5550{number:05}"));
    text(row, "jobtitle", "Head of Information Technology Procurement");
    text(row, "department", "Information Technology");
    lookup(row, "_parentcustomerid_value", "account", number % 900);
    lookup(row, "_ownerid_value", "systemuser", number % 60);
    lookup(row, "_owninguser_value", "systemuser", number % 60);
    null(row, "_owningteam_value");
    raw(row, "statecode", 0);
    raw(row, "merged", false);
    null(row, "_masterid_value");
    times(row, number);
    raw(row, "versionnumber", 4_711_223 + number);
    guid(row, "contactid", number);
}

fn times(row: &mut String, number: usize) {
    let (minute, second) = (number / 60 % 60, number % 60);
    text(row, "createdon", &format!("2025-11-03T08:{minute:02}:{second:02}Z"));
    text(row, "modifiedon", &format!("2026-02-01T21:{minute:02}:{second:02}Z"));
}

fn lookup(row: &mut String, column: &str, table: &str, number: usize) {
    text(row, &format!("{column}@Microsoft.Dynamics.CRM.lookuplogicalname"), table);
    guid(row, column, number);
}

fn guid(row: &mut String, column: &str, number: usize) {
    text(row, column, &format!("{:08x}-4a7e-ee11-8179-6045bd9a{:04x}", number * 40_503, number));
}

fn text(row: &mut String, column: &str, value: &str) {
    raw(row, column, format_args!("\"{value}\""));
}

fn null(row: &mut String, column: &str) {
    raw(row, column, "null");
}

fn raw(row: &mut String, column: &str, value: impl std::fmt::Display) {
    // Writing to a String cannot fail.
    let _ = write!(row, ",\"{column}\":{value}");
}
