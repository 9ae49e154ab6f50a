//! Looks for a page's nextLink without decoding the page, so that the next page can be asked for
//! while this one is decoded. What the decoder finds later counts.

/// A link has at most 32 KB, and the service writes it last.
const TAIL: usize = 40 * 1024;

const MEMBER: &[u8] = br#""@odata.nextLink":""#;

/// The text of the last `"@odata.nextLink":"..."` in the last 40 KB, when no escape stands in it.
///
/// In a body that is JSON this is always a member's name and value, never a part of some text. A
/// quote inside a text has a backslash before it. The first quote found here has none, so it begins
/// or ends a text; after the end of a text no `@` can follow, so it begins one. That text holds no
/// backslash, so it ends at the next quote: it is just `@odata.nextLink`, and the colon makes it a
/// name. The value ends at its first quote, because it holds no backslash. Bytes stand for
/// characters here because no part of a longer UTF-8 character looks like one of ASCII.
///
/// It may still be a member of something inside the page, and a body that is cut short or no JSON
/// may say anything: the link is a guess.
pub(crate) fn next_link(body: &[u8]) -> Option<&str> {
    let tail = &body[body.len().saturating_sub(TAIL)..];
    let is_member = |window: &[u8]| window[0] != b'\\' && &window[1..] == MEMBER;
    let at = tail.windows(1 + MEMBER.len()).rposition(is_member)?;
    let rest = &tail[at + 1 + MEMBER.len()..];
    let link = &rest[..rest.iter().position(|byte| *byte == b'"')?];
    if link.contains(&b'\\') {
        return None;
    }
    std::str::from_utf8(link).ok()
}

#[cfg(test)]
mod tests;
