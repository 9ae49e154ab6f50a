//! Buffers for the bodies of answers: outside the heap, and used again while others are still lent.
//!
//! A pull takes in one body of some megabytes after the other. In the allocator's hands they would
//! leave holes in the heaps of all the threads that ever took one, and the process would grow to a
//! multiple of what it holds. Here each has pages of its own, which go back to the system when no
//! body is lent any more.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use memmap2::MmapMut;

/// Bodies up to this size are left to the allocator, which is good at them.
const SMALL: usize = 64 * 1024;

/// What a buffer's size is a multiple of, so that the next page fits it, too.
const STEP: usize = 1024 * 1024;

/// How much larger a buffer's successor is; what is not used of it takes no memory.
const GROWTH: usize = 8;

/// How much larger than asked a buffer may be: a small body would keep it from the page that needs it.
const MOST_WASTE: usize = 4;

/// What may lie idle. The bytes in flight are bounded elsewhere, and do not know of these.
const MOST_IDLE: usize = 8 * 1024 * 1024;

/// Lends buffers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bodies(Arc<Mutex<Shelf>>);

#[derive(Debug, Default)]
struct Shelf {
    idle: Vec<MmapMut>,
    /// How many bodies are in use.
    lent: usize,
}

impl Bodies {
    /// An empty body that will probably have `expected` bytes.
    pub(crate) fn lend(&self, expected: usize) -> Body {
        self.shelf().lent += 1;
        Body { buffer: Buffer::Heap(Vec::new()), length: 0, expected, bodies: self.clone() }
    }

    /// Pages for so many bytes, if the system has them.
    fn pages(&self, room: usize) -> Option<MmapMut> {
        let idle = self.shelf().take(room);
        idle.or_else(|| MmapMut::map_anon(room.next_multiple_of(STEP)).ok())
    }

    /// Never held across an await.
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    /// The smallest buffer that has the room, and not much more.
    fn take(&mut self, room: usize) -> Option<MmapMut> {
        let fits = |buffer: &MmapMut| buffer.len() >= room && buffer.len() / MOST_WASTE <= room;
        let fitting = self.idle.iter().enumerate().filter(|(_, buffer)| fits(buffer));
        let best = fitting.min_by_key(|(_, buffer)| buffer.len()).map(|(index, _)| index);
        best.map(|index| self.idle.swap_remove(index))
    }

    /// Takes a buffer back; when too much is idle, those that have been idle longest go.
    fn give(&mut self, buffer: MmapMut) {
        self.idle.push(buffer);
        let mut idle: usize = self.idle.iter().map(|buffer| buffer.len()).sum();
        while idle > MOST_IDLE {
            idle -= self.idle.remove(0).len();
        }
    }
}

/// The body of an answer while it comes in; as [`Bytes`] it can be shared, and its buffer comes
/// back when the last of them is dropped.
#[derive(Debug)]
pub(crate) struct Body {
    buffer: Buffer,
    length: usize,
    expected: usize,
    bodies: Bodies,
}

#[derive(Debug)]
enum Buffer {
    Heap(Vec<u8>),
    Pages(MmapMut),
}

impl Body {
    pub(crate) const fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn extend(&mut self, chunk: &[u8]) {
        let length = self.length + chunk.len();
        if length > self.room() {
            self.grow(length);
        }
        match &mut self.buffer {
            Buffer::Heap(buffer) => buffer.extend_from_slice(chunk),
            Buffer::Pages(pages) => pages[self.length..length].copy_from_slice(chunk),
        }
        self.length = length;
    }

    fn room(&self) -> usize {
        match &self.buffer {
            Buffer::Heap(_) => SMALL,
            Buffer::Pages(pages) => pages.len(),
        }
    }

    /// Moves to pages with more room. Without any, the heap must do.
    fn grow(&mut self, length: usize) {
        let room = self.expected.max(length).max(GROWTH * self.length);
        if let Some(mut pages) = self.bodies.pages(room) {
            pages[..self.length].copy_from_slice(self.as_ref());
            // What it replaces was too small, and would be again: it is not kept.
            self.buffer = Buffer::Pages(pages);
        } else if let Buffer::Pages(pages) = &self.buffer {
            self.buffer = Buffer::Heap(pages[..self.length].to_vec());
        }
    }
}

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        match &self.buffer {
            Buffer::Heap(buffer) => buffer,
            Buffer::Pages(pages) => &pages[..self.length],
        }
    }
}

impl From<Body> for Bytes {
    fn from(body: Body) -> Self {
        Self::from_owner(body)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        let buffer = std::mem::replace(&mut self.buffer, Buffer::Heap(Vec::new()));
        let mut shelf = self.bodies.shelf();
        shelf.lent -= 1;
        if shelf.lent == 0 {
            shelf.idle = Vec::new();
        } else if let Buffer::Pages(pages) = buffer {
            shelf.give(pages);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 3 * STEP;

    fn filled(bodies: &Bodies, bytes: usize) -> Bytes {
        let mut body = bodies.lend(bytes);
        body.extend(&vec![7; bytes]);
        body.into()
    }

    #[test]
    fn syn_4_a_buffer_is_used_again_when_the_last_reader_is_gone() {
        let bodies = Bodies::default();
        let _other = filled(&bodies, 10);
        let first = filled(&bodies, PAGE);
        let (place, reader) = (first.as_ptr(), first.slice(5..9));
        drop(first);
        let second = filled(&bodies, PAGE);
        assert_ne!(second.as_ptr(), place, "somebody still reads the first");
        assert_eq!(&reader[..], [7; 4]);
        drop(reader);
        assert_eq!(filled(&bodies, PAGE - 100).as_ptr(), place);
    }

    #[test]
    fn syn_4_nothing_is_kept_when_nothing_is_lent() {
        let bodies = Bodies::default();
        let pages = [filled(&bodies, PAGE), filled(&bodies, PAGE), filled(&bodies, 1)];
        drop(pages);
        let shelf = bodies.shelf();
        assert_eq!((shelf.idle.len(), shelf.lent), (0, 0));
    }

    #[test]
    fn syn_4_a_buffer_is_kept_for_bodies_of_about_its_size() {
        let bodies = Bodies::default();
        let _other = filled(&bodies, 10);
        let page = filled(&bodies, 8 * STEP);
        let place = page.as_ptr();
        drop(page);
        let (small, large) = (filled(&bodies, STEP), filled(&bodies, 9 * STEP));
        assert!(small.as_ptr() != place && large.as_ptr() != place);
        assert_eq!(filled(&bodies, 5 * STEP).as_ptr(), place);
    }

    #[test]
    fn syn_4_only_so_much_lies_idle() {
        let bodies = Bodies::default();
        let _other = filled(&bodies, 10);
        let pages: Vec<Bytes> = (0..20).map(|_| filled(&bodies, PAGE)).collect();
        drop(pages);
        assert_eq!(bodies.shelf().idle.len(), MOST_IDLE / PAGE);
    }

    #[test]
    fn syn_4_a_body_of_any_length_comes_whole_in_chunks_of_any_length() {
        let bodies = Bodies::default();
        for expected in [0, 100, SMALL, PAGE] {
            for length in [0, 1, SMALL - 1, SMALL, SMALL + 1, STEP, STEP + 1, PAGE + 12_345] {
                for chunk in [1_000, SMALL, STEP - 1, PAGE] {
                    let all: Vec<u8> = (0..=250).cycle().take(length).collect();
                    let mut body = bodies.lend(expected);
                    all.chunks(chunk).for_each(|chunk| body.extend(chunk));
                    assert_eq!(body.len(), length);
                    let body = Bytes::from(body);
                    assert!(body == all, "{expected} expected, {length} came by {chunk}");
                }
            }
        }
        assert_eq!(bodies.shelf().lent, 0);
    }
}
