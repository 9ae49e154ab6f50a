//! Bodies that are made to hurt whoever reads them.

use crate::http::client::MAX_BODY_BYTES;
use crate::http::transport::Response;
use crate::testkit::dataverse::faults::Fault;
use crate::testkit::dataverse::refusal::{json, set_header, text};

/// The answer of a fault that lies in the body.
pub(super) fn answer(fault: &Fault) -> Option<Response> {
    let body = match fault {
        Fault::BadJson => r#"{"value":[{"name":"Looms"},],}"#.to_owned(),
        Fault::DeepBody => format!("{}1{}", r#"{"a":"#.repeat(129), "}".repeat(129)),
        Fault::GzipBomb => {
            let mut bomb = text(200, "application/json", gzip_bomb());
            set_header(&mut bomb.headers, "content-encoding", "gzip");
            return Some(bomb);
        }
        Fault::HugeNumber => r#"{"value":[{"estimatedvalue":1e400}]}"#.to_owned(),
        Fault::LoneSurrogates => {
            r#"{"value":[{"name":"\ud800","fullname":"\udfff\ud800"}]}"#.to_owned()
        }
        Fault::MillionBrackets => "[".repeat(1_000_000),
        Fault::NotANumber => r#"{"value":[{"estimatedvalue":NaN}]}"#.to_owned(),
        // Zeros that nobody touches take up no memory here.
        Fault::Oversized => {
            return Some(text(200, "application/json", vec![0; MAX_BODY_BYTES + 1]));
        }
        _ => return None,
    };
    Some(json(200, body))
}

/// A gzip stream of zeros, twice what a client takes in. Its checksum is wrong, but nobody gets
/// that far.
///
/// Written by hand, no compressor is linked: one block of fixed Huffman codes, one literal zero,
/// then matches of 258 zeros at distance 1, each of which is the same thirteen bits.
fn gzip_bomb() -> Vec<u8> {
    const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    const START: [bool; 11] =
        [true, true, false, false, false, true, true, false, false, false, false];
    const MATCH: [bool; 13] =
        [true, true, false, false, false, true, false, true, false, false, false, false, false];
    const END: [bool; 7] = [false; 7];
    let matches = 2 * MAX_BODY_BYTES / 258;
    let repeated = std::iter::repeat_n(MATCH, matches).flatten();
    let mut bits = START.into_iter().chain(repeated).chain(END);
    let mut bomb = HEADER.to_vec();
    while let Some(bit) = bits.next() {
        let byte = (1..8).fold(u8::from(bit), |byte, place| {
            byte | u8::from(bits.next().unwrap_or_default()) << place
        });
        bomb.push(byte);
    }
    bomb.extend([0; 8]);
    bomb
}
