//! The Web API's error codes, by name.

/// An error code of the service, whether it was printed as hex or as a signed decimal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Code(pub(crate) u32);

impl Code {
    pub(crate) const OBJECT_DOES_NOT_EXIST: Self = Self(0x8004_0217);
    pub(crate) const UNKNOWN_SEGMENT: Self = Self(0x8006_0888);
    pub(crate) const UNKNOWN_TABLE: Self = Self(0x8004_1102);
    pub(crate) const UNKNOWN_COLUMN: Self = Self(0x8004_1103);
    pub(crate) const PRIVILEGE_DENIED: Self = Self(0x8004_0220);
    pub(crate) const FILE_TOO_LARGE: Self = Self(0x8004_4A02);
    pub(crate) const FILE_BLOCKED: Self = Self(0x8004_3E09);
    pub(crate) const TYPE_NOT_ALLOWED: Self = Self(0x8007_2521);
    pub(crate) const TYPE_BLOCKED: Self = Self(0x8007_2522);
    /// The table does not compare versions.
    pub(crate) const NO_CONCURRENCY: Self = Self(0x8006_088D);

    /// Failures that pass by themselves: unexpected error, SQL error, SQL timeout, deadlock.
    pub(crate) const TRANSIENT: [Self; 4] =
        [Self(0x8004_0216), Self(0x8004_4150), Self(0x8004_4151), Self(0x8004_0255)];

    /// .NET's own code for any exception; it passes when it is the database's.
    pub(crate) const EXCEPTION: Self = Self(0x8013_1501);

    /// Service protection (execution time, number and concurrency of requests), and the general
    /// throttle.
    pub(crate) const THROTTLES: [Self; 4] =
        [Self(0x8007_2321), Self(0x8007_2322), Self(0x8007_2326), Self(0x8005_F103)];

    /// Reads `0x80040217`, `-2147220969` or `2147746327`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            return u32::from_str_radix(hex, 16).ok().map(Self);
        }
        let number: i64 = text.parse().ok()?;
        let code = u32::try_from(number).or_else(|_| i32::try_from(number).map(i32::cast_unsigned));
        code.ok().filter(|code| *code != 0).map(Self)
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "0x{:08X}", self.0)
    }
}
