//! Descriptors that JavaScript holds by ids.

use super::Driver;
use crate::arguments::{descriptor_of, number_up_to, rights_of, socket_type_of};
use crate::constants::{
    KIND_BLOCK_DEVICE, KIND_CHARACTER_DEVICE, KIND_DIRECTORY, KIND_FILE, KIND_OTHER, KIND_PIPE, KIND_SOCKET,
    MOST_DESCRIPTORS,
};
use crate::outcome::{code, errno_of, id_or_errno};
use napi_derive::napi;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use udsock::{DescriptorKind, close_on_exec};
use udsock_reactor::{Errno, Id, negative};

#[napi]
impl Driver {
    /// Takes ownership of an open descriptor, and makes it close-on-exec. Returns its id; -EBUSY: it has an owner here already.
    #[napi(catch_unwind)]
    pub fn hold_descriptor(&self, fd: f64) -> f64 {
        id_or_errno(self.with("hold_descriptor", |open| {
            let number = descriptor_of(fd)?;
            if open.reactor.descriptors().has(number) || open.reactor.has_fd(number) {
                return Err(Errno::BUSY);
            }
            // SAFETY: borrowed for this system call alone; a number that is no open descriptor is EBADF.
            close_on_exec(unsafe { BorrowedFd::borrow_raw(number) }).map_err(errno_of)?;
            // SAFETY: it is open. That nothing else in the process owns it is what the caller of `Descriptor.from()`
            // promises; neither the reactor nor a `Descriptor` of this environment does.
            open.reactor.descriptors().hold(unsafe { OwnedFd::from_raw_fd(number) })
        }))
    }

    /// Makes a close-on-exec duplicate of an open descriptor, and returns its id.
    #[napi(catch_unwind)]
    pub fn duplicate_descriptor(&self, fd: f64) -> f64 {
        id_or_errno(self.with("duplicate_descriptor", |open| {
            // SAFETY: borrowed for this system call alone; a number that is no open descriptor is EBADF.
            open.reactor.descriptors().duplicate(unsafe { BorrowedFd::borrow_raw(descriptor_of(fd)?) })
        }))
    }

    /// Returns the number of a held descriptor.
    #[napi(catch_unwind)]
    pub fn descriptor_number(&self, id: f64) -> i32 {
        let number = self.with("descriptor_number", |open| {
            open.reactor.descriptors().get(Id::from_number(id)?).map(|fd| fd.as_raw_fd())
        });
        number.unwrap_or_else(negative)
    }

    /// Returns what a held descriptor is: one of the KIND numbers.
    #[napi(catch_unwind)]
    pub fn descriptor_kind(&self, id: f64) -> i32 {
        let kind = self.with("descriptor_kind", |open| open.reactor.descriptors().kind(Id::from_number(id)?));
        kind.map_or_else(negative, |kind| match kind {
            DescriptorKind::File => KIND_FILE,
            DescriptorKind::Directory => KIND_DIRECTORY,
            DescriptorKind::Pipe => KIND_PIPE,
            DescriptorKind::Socket => KIND_SOCKET,
            DescriptorKind::CharacterDevice => KIND_CHARACTER_DEVICE,
            DescriptorKind::BlockDevice => KIND_BLOCK_DEVICE,
            DescriptorKind::Other => KIND_OTHER,
        })
    }

    /// Gives a held descriptor up, still open, and returns its number.
    #[napi(catch_unwind)]
    pub fn release_descriptor(&self, id: f64) -> i32 {
        let released =
            self.with("release_descriptor", |open| open.reactor.descriptors().release(Id::from_number(id)?));
        released.map_or_else(negative, IntoRawFd::into_raw_fd)
    }

    /// Has the descriptors that come with the bytes of a stream kept for `takeDescriptors`, at most `limit` with one read; 0: they are closed.
    #[napi(catch_unwind)]
    pub fn receive_descriptors(&self, id: f64, limit: f64) -> i32 {
        code(self.with("receive_descriptors", |open| {
            let limit = number_up_to(limit, MOST_DESCRIPTORS)? as usize;
            open.reactor.receive_descriptors(Id::from_number(id)?, limit)
        }))
    }

    /// Has a connection, or a socket for datagrams, leave the reactor, without a shutdown. Returns the id of its descriptor, which is held from now
    /// on, and of which calls wait.
    #[napi(catch_unwind)]
    pub fn detach(&self, id: f64) -> f64 {
        id_or_errno(self.with("detach", |open| open.reactor.detach(Id::from_number(id)?)))
    }

    /// Holds a duplicate of a listener's descriptor, for another process, and returns its id.
    #[napi(catch_unwind)]
    pub fn duplicate_listener(&self, id: f64) -> f64 {
        id_or_errno(
            self.with("duplicate_listener", |open| open.reactor.duplicate_listener(Id::from_number(id)?)),
        )
    }

    /// Makes two sockets that are connected to each other. Returns their ids, or a negative errno alone. `discard` and `socket_type` as for
    /// `connect`.
    #[napi(catch_unwind)]
    pub fn pair(&self, discard: bool, socket_type: Option<f64>) -> Vec<f64> {
        let made =
            self.with("pair", |open| open.reactor.add_pair(socket_type_of(socket_type)?, rights_of(discard)));
        match made {
            Ok((one, other)) => vec![one.bits() as f64, other.bits() as f64],
            Err(errno) => vec![f64::from(negative(errno))],
        }
    }
}
