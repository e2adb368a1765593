//! Descriptors that another language refers to by ids: to be sent, received from a peer, or just held.
//!
//! What always holds: a held descriptor is open, has one id, and is closed on another thread, because the last close of a
//! descriptor may block; when the reactor goes, all are.

use crate::Id;
use crate::closer::{close_elsewhere, close_queued};
use crate::error::errno;
use crate::table::Table;
use rustix::io::Errno;
use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use udsock::DescriptorKind;

/// The descriptors that the owner of a reactor holds.
pub struct Descriptors {
    held: Table<OwnedFd>,
    /// The numbers of the held descriptors.
    numbers: Numbers,
}

impl Descriptors {
    pub(crate) fn new() -> Self {
        Descriptors { held: Table::new(), numbers: Numbers::default() }
    }

    /// Whether the descriptor of this number is held, and must not be held again.
    pub fn has(&self, number: RawFd) -> bool {
        self.numbers.has(number)
    }

    /// Takes ownership of a descriptor.
    ///
    /// # Errors
    ///
    /// EMFILE when the table is full: the descriptor is closed then.
    pub fn hold(&mut self, fd: OwnedFd) -> Result<Id, Errno> {
        if self.held.vacancy().is_none() {
            close_elsewhere(fd);
            return Err(Errno::MFILE);
        }
        self.numbers.insert(fd.as_raw_fd());
        self.held.insert(fd).ok_or(Errno::MFILE)
    }

    /// Holds a duplicate of a descriptor.
    ///
    /// # Errors
    ///
    /// EMFILE or ENFILE, also when the descriptors that other threads were about to close are closed; EBADF.
    pub fn duplicate(&mut self, fd: BorrowedFd<'_>) -> Result<Id, Errno> {
        let copy = udsock::duplicate(fd).or_else(|error| {
            if udsock::is_exhaustion(error.raw_os_error().unwrap_or(0)) {
                close_queued();
                return udsock::duplicate(fd);
            }
            Err(error)
        });
        self.hold(copy.map_err(errno)?)
    }

    /// Returns a held descriptor.
    ///
    /// # Errors
    ///
    /// EBADF when the id names none, here and below.
    pub fn get(&self, id: Id) -> Result<BorrowedFd<'_>, Errno> {
        self.held.get(id).map(AsFd::as_fd).ok_or(Errno::BADF)
    }

    /// Asks what a held descriptor is.
    ///
    /// # Errors
    ///
    /// Those of `fstat(2)`.
    pub fn kind(&self, id: Id) -> Result<DescriptorKind, Errno> {
        DescriptorKind::of(self.get(id)?).map_err(errno)
    }

    /// Gives a descriptor to the caller, still open.
    ///
    /// # Errors
    ///
    /// EBADF.
    pub fn release(&mut self, id: Id) -> Result<OwnedFd, Errno> {
        let fd = self.held.remove(id).ok_or(Errno::BADF)?;
        // Nothing else keeps ids of this table beyond their tenants.
        self.held.recycle();
        self.numbers.remove(fd.as_raw_fd());
        Ok(fd)
    }

    /// Closes a descriptor on another thread.
    ///
    /// # Errors
    ///
    /// EBADF.
    pub fn close(&mut self, id: Id) -> Result<(), Errno> {
        self.release(id).map(close_elsewhere)
    }
}

impl fmt::Debug for Descriptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Descriptors").finish_non_exhaustive()
    }
}

/// A set of descriptor numbers, a bit for each: the kernel hands out the smallest ones.
#[derive(Default)]
struct Numbers {
    words: Vec<u64>,
}

impl Numbers {
    /// Returns the word of a number and its bit there. That of a negative number is beyond every list.
    fn place(number: RawFd) -> (usize, u64) {
        (number as usize / 64, 1 << (number as u32 % 64))
    }

    fn has(&self, number: RawFd) -> bool {
        let (word, bit) = Numbers::place(number);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    fn insert(&mut self, number: RawFd) {
        let (index, bit) = Numbers::place(number);
        if index >= self.words.len() {
            self.words.resize(index + 1, 0);
        }
        if let Some(word) = self.words.get_mut(index) {
            *word |= bit;
        }
    }

    fn remove(&mut self, number: RawFd) {
        let (index, bit) = Numbers::place(number);
        if let Some(word) = self.words.get_mut(index) {
            *word &= !bit;
        }
    }
}

impl Drop for Descriptors {
    fn drop(&mut self) {
        for fd in self.held.take_all() {
            close_elsewhere(fd);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn an_id_is_valid_until_its_descriptor_is_released() -> io::Result<()> {
        let mut descriptors = Descriptors::new();
        let (read, write) = io::pipe()?;
        let (number, other) = (read.as_raw_fd(), write.as_raw_fd());
        let first = descriptors.hold(read.into()).map_err(io::Error::from)?;
        assert!(descriptors.has(number) && !descriptors.has(other));
        assert_eq!(descriptors.kind(first), Ok(DescriptorKind::Pipe));
        assert_eq!(descriptors.release(first).map(|fd| fd.as_raw_fd()), Ok(number));
        assert!(!descriptors.has(number));
        let second = descriptors.hold(write.into()).map_err(io::Error::from)?;
        assert_ne!(first, second);
        assert_eq!(descriptors.get(first).err(), Some(Errno::BADF));
        assert_eq!(descriptors.close(first), Err(Errno::BADF));
        assert_eq!(descriptors.close(second), Ok(()));
        assert!(!descriptors.has(other));
        assert!(!descriptors.has(-1));
        Ok(())
    }
}
