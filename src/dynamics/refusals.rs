//! Who refuses us the whole org, and what a customer can do about it. Data, from the reference's part
//! 7.3; `TROUBLESHOOTING.md` has a paragraph for each sentence.

use http::StatusCode;

use crate::dynamics::code::Code;

/// One kind of refusal.
#[derive(Debug)]
pub(crate) struct Row {
    /// How it is known.
    sign: Sign,
    /// What to tell the customer: who has to do what.
    pub(crate) sentence: &'static str,
}

/// How a refusal is known. No status is asked for where the reference has not confirmed one.
#[derive(Debug)]
enum Sign {
    Code(Code),
    CodeWith(Code, StatusCode),
    /// The firewall answers before the service does, so without a code.
    Words(&'static str),
}

/// The row that an answer falls under.
pub(crate) fn find(code: Option<Code>, status: StatusCode, message: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| match &row.sign {
        Sign::Code(wanted) => code == Some(*wanted),
        Sign::CodeWith(wanted, at) => code == Some(*wanted) && status == *at,
        Sign::Words(words) => message.contains(words),
    })
}

const fn coded(code: u32, sentence: &'static str) -> Row {
    Row { sign: Sign::Code(Code(code)), sentence }
}

const DISABLED: &str = "The connected user is disabled in Dynamics, or belongs to no business unit. \
     Ask your administrator to enable the user, or connect with another one.";
const NO_SALES: &str = "A table is missing in your Dynamics environment. Ask your administrator \
     whether the Dynamics 365 Sales app is installed there.";

/// Every refusal of an org as a whole.
pub(crate) static ROWS: [Row; 11] = [
    Row {
        sign: Sign::Words("access to your IP is blocked"),
        sentence: "The IP firewall of your Dynamics environment blocks Fluint. Ask your Power \
             Platform administrator to allow Fluint's addresses.",
    },
    coded(
        0x8007_2560,
        "The connected user is not a member of this Dynamics environment. Ask your administrator \
         to add the user, or connect with another one.",
    ),
    coded(
        0x8004_D24B,
        "The connected user has no Dynamics licence. Ask your administrator to assign one.",
    ),
    coded(
        0x8004_2F09,
        "The connected user has no security role in Dynamics. Ask your administrator to assign one.",
    ),
    coded(0x8004_0225, DISABLED),
    coded(0x8004_A112, DISABLED),
    coded(
        0x8004_A113,
        "Your Dynamics environment is in administration mode. It goes on by itself once your \
         administrator ends that.",
    ),
    coded(
        0x8004_A104,
        "Your Dynamics environment is disabled. Ask your Power Platform administrator to enable it.",
    ),
    coded(
        0x8009_5FFC,
        "Your Dynamics environment allows only listed apps. Ask your Power Platform administrator \
         to allow Fluint; the change takes up to an hour.",
    ),
    Row { sign: Sign::Code(Code::UNKNOWN_TABLE), sentence: NO_SALES },
    Row { sign: Sign::CodeWith(Code::UNKNOWN_SEGMENT, StatusCode::NOT_FOUND), sentence: NO_SALES },
];

#[cfg(test)]
mod tests {
    use super::*;

    const TROUBLESHOOTING: &str = include_str!("../../TROUBLESHOOTING.md");

    /// The first sentence is what people search for; what to do stands in the paragraph.
    #[test]
    fn con_4_every_refusal_has_a_paragraph_in_the_troubleshooting_guide() {
        for row in &ROWS {
            let what = row.sentence.split_inclusive('.').next().unwrap();
            assert!(TROUBLESHOOTING.contains(what), "{what}");
        }
    }

    #[test]
    fn con_7_a_refusal_is_found_by_its_code_and_the_firewall_by_its_words() {
        let found = |code: u32, status, message: &str| {
            find(Some(Code(code)), StatusCode::from_u16(status).unwrap(), message)
                .map(|row| row.sentence.split('.').next().unwrap())
        };
        let member = "The connected user is not a member of this Dynamics environment";
        assert_eq!(found(0x8007_2560, 403, ""), Some(member));
        assert_eq!(found(0x8007_2560, 401, ""), Some(member), "the status is not confirmed");
        let mode = "Your Dynamics environment is in administration mode";
        assert_eq!(found(0x8004_A113, 403, ""), Some(mode));
        let blocked =
            "The request you are trying to make is rejected as access to your IP is blocked";
        let firewall = "The IP firewall of your Dynamics environment blocks Fluint";
        assert_eq!(found(0, 403, blocked), Some(firewall));
        let missing = "A table is missing in your Dynamics environment";
        assert_eq!(found(0x8006_0888, 404, ""), Some(missing));
        assert_eq!(found(0x8006_0888, 400, ""), None, "a query that it does not understand");
        assert_eq!(found(0x8004_0220, 403, ""), None, "a privilege is named, not an administrator");
    }
}
