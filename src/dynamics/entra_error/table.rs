//! Entra's error numbers, and who can do something about each. Data; the rules are next door.

use crate::dynamics::entra_error::{AdminStep, Class, Setting};

/// What to make of some of Entra's numbers.
pub(super) struct Row {
    /// The numbers, as they follow `AADSTS`.
    pub(super) codes: &'static [u32],
    /// Who has to act.
    pub(super) class: Class,
    /// What to tell them, as a sentence.
    pub(super) sentence: &'static str,
}

const fn row(codes: &'static [u32], class: Class, sentence: &'static str) -> Row {
    Row { codes, class, sentence }
}

const APPROVE: Class = Class::AskAdmin(AdminStep::Approve);
const ADMIN: Class = Class::AskAdmin(AdminStep::Other);
const CREDENTIAL: Class = Class::Ours(Setting::ClientCredential);
const REGISTRATION: Class = Class::Ours(Setting::Registration);
const REDIRECT: Class = Class::Ours(Setting::RedirectUri);

/// A refusal by the user and a company that lets only administrators approve look the same.
pub(super) const NOT_APPROVED: &str = "\
    The app was not approved. If you declined, connect again; if your company lets only \
    administrators approve apps, send your Global Admin the approval link.";
pub(super) const SIGN_IN: &str = "Your sign-in is no longer valid. Connect again.";
pub(super) const WRONG_ADDRESS: &str =
    "Your company's directory does not know this org. Check the org's address.";
pub(super) const MICROSOFT_DOWN: &str = "Microsoft's sign-in is in trouble; try again later";
pub(super) const SLOW_DOWN: &str = "Microsoft's sign-in asked to wait";
pub(super) const MISCONFIGURED: &str = "Entra refuses the app's requests";
pub(super) const BAD_CREDENTIAL: &str = "Entra rejects the app's credential";

const OTHER_ACCOUNT: &str = "\
    This account does not belong to the company of the org. Connect again with your work \
    account there, or ask an administrator of that company to invite you.";
pub(super) const PROVE: &str =
    "Your company asks for another proof of who you are. Connect again to give it.";
const PASSWORD: &str = "Your password has changed or expired. Connect again with the new one.";
const POLICY: &str =
    "A sign-in policy of your company blocks the connection. Ask your administrator to allow it.";
const DEVICE: &str = "\
    Your company allows sign-ins from managed devices only. Use one of them, or ask your \
    administrator.";
const ASK_APPROVAL: &str =
    "Your company lets only administrators approve apps. Send your Global Admin the approval link.";
const NOT_SUBSCRIBED: &str =
    "Your company has no Dynamics 365 under this address. Check the org's address.";
const OTHER_CLOUD: &str =
    "This org belongs to another of Microsoft's clouds. Check the org's address.";

/// Every number of the reference (its part 2.7), in its order.
pub(super) const ROWS: &[Row] = &[
    row(&[16000, 16001, 16002, 160_021, 16003], Class::SignInAgain, OTHER_ACCOUNT),
    row(&[50001, 500_011], Class::CheckAddress, WRONG_ADDRESS),
    row(
        &[500_021, 500_022],
        ADMIN,
        "Your company's network blocks sign-ins to this company. Ask your administrator.",
    ),
    row(&[50011], REDIRECT, "the redirect URI is not registered"),
    row(&[50012, 50013, 500_133], CREDENTIAL, "Entra rejects the client assertion"),
    row(
        &[50014],
        Class::SignInAgain,
        "Accept the guest invitation of that company first, then connect again.",
    ),
    row(&[50020, 500_208, 50034], Class::SignInAgain, OTHER_ACCOUNT),
    row(
        &[500_212, 500_213],
        ADMIN,
        "A cross-tenant policy blocks the sign-in. Ask your administrator to allow it.",
    ),
    row(&[50033], Class::TryAgain, MICROSOFT_DOWN),
    row(
        &[50053],
        Class::SignInAgain,
        "Your account is locked for now. Wait a while, then connect again, or ask your administrator.",
    ),
    row(&[50055, 50056], Class::SignInAgain, PASSWORD),
    row(&[50057], ADMIN, "Your account is disabled. Ask your administrator to enable it."),
    row(&[50058], Class::SignInAgain, SIGN_IN),
    row(&[50059], REGISTRATION, MISCONFIGURED),
    row(&[50072, 50074, 50076, 50078, 50079], Class::SignInAgain, PROVE),
    row(&[50085, 50089], Class::SignInAgain, SIGN_IN),
    row(&[50087, 50088], Class::TryAgain, MICROSOFT_DOWN),
    row(&[50097], Class::SignInAgain, DEVICE),
    row(
        &[50105],
        ADMIN,
        "Your account is not assigned to the app. Ask your administrator to assign it.",
    ),
    row(&[50126], Class::SignInAgain, "The user name or the password was wrong. Connect again."),
    row(&[50131], ADMIN, POLICY),
    row(&[50132, 50133], Class::SignInAgain, PASSWORD),
    row(&[50140], Class::SignInAgain, SIGN_IN),
    row(&[50144], Class::SignInAgain, PASSWORD),
    row(&[501_481, 50147], REGISTRATION, "Entra does not accept the PKCE verifier"),
    row(&[50158], Class::SignInAgain, PROVE),
    row(&[50173], Class::SignInAgain, PASSWORD),
    row(&[50194], REGISTRATION, "the app is not registered as multi-tenant"),
    row(&[50196], Class::Wait, SLOW_DOWN),
    row(&[50199], Class::SignInAgain, PROVE),
    row(&[51004], Class::SignInAgain, OTHER_ACCOUNT),
    row(&[53000, 53001, 53002], ADMIN, DEVICE),
    row(&[53003], ADMIN, POLICY),
    row(
        &[53004],
        Class::SignInAgain,
        "Set up the second proof that your company asks for, then connect again.",
    ),
    row(&[53011, 530_032, 530_035], ADMIN, POLICY),
    row(&[54005], Class::SignInAgain, "This sign-in was already used. Connect again."),
    row(
        &[65001],
        Class::SignInAgain,
        "The app is not approved, or no longer. Connect again and approve it.",
    ),
    row(&[65002], REGISTRATION, MISCONFIGURED),
    row(&[65004], APPROVE, NOT_APPROVED),
    row(&[65005, 650_052], Class::CheckAddress, NOT_SUBSCRIBED),
    row(
        &[650_054, 650_056, 650_057],
        REGISTRATION,
        "the app's registration does not list Dynamics, or is broken",
    ),
    row(&[70000, 70002], Class::SignInAgain, SIGN_IN),
    row(&[70007], REGISTRATION, MISCONFIGURED),
    row(
        &[70001, 700_016],
        APPROVE,
        "Your company does not know the app yet. Send your Global Admin the approval link.",
    ),
    row(
        &[700_005],
        REGISTRATION,
        "a code was redeemed at another tenant than the one that issued it",
    ),
    row(&[70008], Class::SignInAgain, SIGN_IN),
    row(&[70011, 700_022, 700_023], REGISTRATION, "Entra does not accept the scope"),
    row(
        &[700_011],
        APPROVE,
        "Your company does not know the app yet. Send your Global Admin the approval link.",
    ),
    row(&[700_020], Class::SignInAgain, SIGN_IN),
    row(&[700_025], REGISTRATION, "the app is registered as a public client"),
    row(&[700_027, 700_030], CREDENTIAL, "Entra rejects the app's certificate"),
    row(
        &[70043],
        Class::SignInAgain,
        "Your company asks to sign in again from time to time. Connect again.",
    ),
    row(&[700_054], REGISTRATION, MISCONFIGURED),
    row(&[700_082], Class::SignInAgain, "The connection was unused for too long. Connect again."),
    row(
        &[700_084],
        REDIRECT,
        "the redirect URI is registered for a single-page app; register it as web",
    ),
    row(
        &[7_000_112],
        ADMIN,
        "The app is disabled in your company. Ask your administrator to enable it.",
    ),
    row(&[7_000_215], CREDENTIAL, "the client secret is wrong"),
    row(&[7_000_218], CREDENTIAL, "Entra saw no client secret"),
    row(&[7_000_222], CREDENTIAL, "the client secret has expired"),
    row(&[700_229], CREDENTIAL, "Entra does not accept the federated credential"),
    row(&[80001, 80002, 80005, 80007, 80014], Class::TryAgain, MICROSOFT_DOWN),
    row(&[90002], Class::CheckAddress, WRONG_ADDRESS),
    row(&[90006, 90012, 90024, 90033, 90090], Class::TryAgain, MICROSOFT_DOWN),
    row(&[90014, 900_144, 90019], REGISTRATION, MISCONFIGURED),
    row(&[90036], REGISTRATION, "Entra fails for good; open a support case with Microsoft"),
    row(&[90038, 900_382, 900_432], Class::CheckAddress, OTHER_CLOUD),
    row(&[90055], Class::Wait, SLOW_DOWN),
    row(&[90072], Class::SignInAgain, OTHER_ACCOUNT),
    row(&[90093, 90094], APPROVE, ASK_APPROVAL),
    row(
        &[90095],
        APPROVE,
        "Your request went to your company's administrators. Connect again once they have approved it.",
    ),
    row(&[90099], APPROVE, ASK_APPROVAL),
    row(&[9_001_023, 90124, 90130], REGISTRATION, MISCONFIGURED),
    row(&[9_002_313, 901_002], REGISTRATION, MISCONFIGURED),
    row(
        &[1_000_031],
        ADMIN,
        "Your company cannot use the app right now. Ask your administrator to check it.",
    ),
];
