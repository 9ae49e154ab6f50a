//! `systemusers`: leavers, too, because they still own records.

use std::borrow::Cow;

use crate::dynamics::decode::{Converted, Source};
use crate::dynamics::tables::version;
use crate::dynamics::wire::{Guid, wire_row};
use crate::model::{EmailAddress, User, UserKind, UserStatus};

/// Every user of the environment, disabled ones and applications included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Users;

wire_row! {
    /// A row of `systemusers`.
    UserRow<'a> {
        id: Guid<'a> = "systemuserid" => Feeds["id"],
        name: Cow<'a, str> = "fullname" => Feeds["name"],
        email: Cow<'a, str> = "internalemailaddress" => Feeds["email"],
        sign_in_name: Cow<'a, str> = "domainname" => Feeds["sign_in_name"],
        disabled: bool = "isdisabled" => Feeds["status"],
        access_mode: i64 = "accessmode" => Feeds["kind"],
        application: Guid<'a> = "applicationid" => Feeds["kind"],
        version: i64 = "versionnumber" => Helps["version"],
    }
}

impl Source for Users {
    type Wire<'a> = UserRow<'a>;
    type Row = User;

    fn set(&self) -> &'static str {
        "systemusers"
    }

    fn key(&self) -> &'static str {
        "systemuserid"
    }

    fn convert(&self, wire: &UserRow<'_>) -> Converted<User> {
        convert(wire).into()
    }
}

fn convert(wire: &UserRow<'_>) -> Option<User> {
    let kind = match (wire.application.known(), wire.access_mode.value()) {
        (Some(application), _) if !application.is_nil() => UserKind::Application,
        // Support, non-interactive, delegated administrator: nobody who owns a pipeline.
        (_, Some(3..=5)) => UserKind::Service,
        _ => UserKind::Person,
    };
    let mut user = User::new(wire.id.id()?);
    user.name = wire.name.text();
    user.email = wire.email.known().and_then(|email| EmailAddress::new(email).ok());
    user.sign_in_name = wire.sign_in_name.text();
    user.kind = kind;
    user.status = if wire.disabled.value() == Some(true) {
        UserStatus::Disabled
    } else {
        UserStatus::Enabled
    };
    user.version = version(wire.version, &user);
    Some(user)
}

#[cfg(test)]
mod tests;
