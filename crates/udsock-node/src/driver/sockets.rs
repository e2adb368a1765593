//! Sockets of the reactor: making them without waiting, and reading their properties.

use super::Driver;
use crate::arguments::{descriptor_of, numbers, rights_of, socket_type_of};
use crate::outcome::{code, errno_of, id_or_errno};
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;
use std::os::fd::{BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use udsock::{Address, Allowed, SocketType};
use udsock_reactor::{Errno, Id, Role};

#[napi]
impl Driver {
    /// Takes over a listening descriptor of this process. Returns its id. After an error it stays the caller's; -EBUSY: it has
    /// an owner here already. `discard` and `socket_type` as for `connect`, here and below.
    #[napi(catch_unwind)]
    pub fn adopt(&self, fd: f64, discard: bool, socket_type: Option<f64>) -> f64 {
        let role = |socket_type| Role::InheritedListener(socket_type, rights_of(discard));
        self.take_over(fd, false, socket_type, udsock::inspect, udsock::adopt, role)
    }

    /// The same for the descriptor of a connection. `is_held`: whether it is a held one, which the caller releases when it is taken over.
    #[napi(catch_unwind)]
    pub fn adopt_connection(
        &self,
        fd: f64,
        discard: bool,
        socket_type: Option<f64>,
        is_held: Option<bool>,
    ) -> f64 {
        let role = |socket_type| Role::InheritedConnection(socket_type, rights_of(discard));
        let is_held = is_held.unwrap_or(false);
        self.take_over(fd, is_held, socket_type, udsock::inspect_connection, udsock::adopt_connection, role)
    }

    /// Has `accept` return only connections of these users, and of users in these groups. Where both are empty, no peer is
    /// accepted.
    #[napi(catch_unwind)]
    pub fn allow(&self, id: f64, uids: Vec<f64>, gids: Vec<f64>) -> i32 {
        code(self.with("allow", |open| {
            let allowed = Allowed::new(numbers(uids)?, numbers(gids)?);
            open.reactor.set_accept_filter(Id::from_number(id)?, Box::new(move |fd| allowed.admits(fd)))
        }))
    }

    /// Refuses new clients of a listener from now on, and keeps those that wait. -EOPNOTSUPP elsewhere than on Linux.
    #[napi(catch_unwind)]
    pub fn refuse_newcomers(&self, id: f64) -> i32 {
        code(self.with("refuse_newcomers", |open| open.reactor.refuse_newcomers(Id::from_number(id)?)))
    }

    /// Returns whether `accept` would return a connection or fail now. Takes nothing.
    #[napi(catch_unwind)]
    pub fn is_acceptable(&self, id: f64) -> bool {
        self.with("is_acceptable", |open| open.reactor.is_acceptable(Id::from_number(id)?)).unwrap_or(true)
    }

    /// Returns the milliseconds until a listener tries again after an exhaustion, rounded up; 0 when it does not pause.
    #[napi(catch_unwind)]
    pub fn paused_for(&self, id: f64) -> u32 {
        let paused = self.with("paused_for", |open| open.reactor.paused_for(Id::from_number(id)?));
        // A pause is at most a second.
        paused.ok().flatten().map_or(0, |paused| paused.as_micros().div_ceil(1000) as u32)
    }

    /// Returns the address that a connection's peer is bound to, as bytes; empty for none.
    #[napi(catch_unwind)]
    pub fn peer_address(&self, id: f64) -> Uint8Array {
        self.address(id, |fd| Address::peer(fd))
    }

    /// Returns the address that a socket is bound to, as bytes; empty for none.
    #[napi(catch_unwind)]
    pub fn local_address(&self, id: f64) -> Uint8Array {
        self.address(id, |fd| Address::local(fd))
    }
}

impl Driver {
    fn take_over(
        &self,
        fd: f64,
        is_held: bool,
        socket_type: Option<f64>,
        inspect: fn(BorrowedFd<'_>, SocketType) -> std::io::Result<()>,
        adopt: fn(OwnedFd, SocketType) -> Result<OwnedFd, (OwnedFd, std::io::Error)>,
        role: impl FnOnce(SocketType) -> Role,
    ) -> f64 {
        let adopted = self.with("adopt", |open| {
            let (fd, socket_type) = (descriptor_of(fd)?, socket_type_of(socket_type)?);
            let is_owned = open.reactor.has_fd(fd) || (open.reactor.descriptors().has(fd) && !is_held);
            if is_owned {
                return Err(Errno::BUSY);
            }
            // SAFETY: borrowed for these system calls alone, which no JavaScript can interrupt; a number that is no open
            // descriptor is EBADF.
            inspect(unsafe { BorrowedFd::borrow_raw(fd) }, socket_type).map_err(errno_of)?;
            // SAFETY: it is open, and a socket of the role. That nothing else in the process owns it is what the caller
            // of `listen({ fd })` and `new Socket({ fd })` promises, as with node:net; nothing of this environment does.
            let socket = unsafe { OwnedFd::from_raw_fd(fd) };
            adopt(socket, socket_type)
                .map_err(|(socket, error)| (socket, errno_of(error)))
                .and_then(|socket| open.reactor.take_over(socket, role(socket_type)))
                .map_err(|(socket, errno)| {
                    // It stays the caller's.
                    let _ = socket.into_raw_fd();
                    errno
                })
        });
        id_or_errno(adopted)
    }

    fn address(&self, id: f64, ask: fn(BorrowedFd<'_>) -> std::io::Result<Address>) -> Uint8Array {
        let address = self.with("address", |open| {
            let fd = open.reactor.fd(Id::from_number(id)?)?;
            ask(fd).map_err(errno_of)
        });
        let bytes = address.map_or_else(|_| Vec::new(), |address| address.to_bytes().to_vec());
        Uint8Array::from(bytes)
    }
}
