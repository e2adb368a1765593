//! Sockets of records: the functions of packets and datagrams that other sockets do not have. Records are sent by `raw`.

use super::Driver;
use crate::arguments::{address_of, rights_of};
use crate::outcome::{code, errno_of, id_or_errno};
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;
use std::os::fd::BorrowedFd;
use udsock::Address;
use udsock_reactor::{Errno, Id, Role, SocketType, whole};

#[napi]
impl Driver {
    /// Makes a socket for datagrams that is not bound, and returns its id. `listen` and `listen_now` make one that is bound to an address.
    #[napi(catch_unwind)]
    pub fn datagram_socket(&self, discard: bool) -> f64 {
        let made = self.with("datagram_socket", |open| {
            let socket = udsock::datagram_socket().map_err(errno_of)?;
            open.reactor.add(socket, Role::Connection(SocketType::Datagram, rights_of(discard)))
        });
        id_or_errno(made)
    }

    /// Binds a socket for datagrams to an abstract name that the kernel chooses. -EOPNOTSUPP elsewhere than on Linux.
    #[napi(catch_unwind)]
    pub fn autobind(&self, id: f64) -> i32 {
        self.on_socket(id, "autobind", |fd| udsock::autobind(fd))
    }

    /// Binds a socket for datagrams that is not bound, now. Its file stays.
    #[napi(catch_unwind)]
    pub fn bind_datagrams(&self, id: f64, address: Uint8Array) -> i32 {
        self.on_address(id, "bind_datagrams", &address, |fd, address| udsock::bind_datagrams(fd, address))
    }

    /// Makes `address` the receiver of the datagrams of a socket, and the only sender to it.
    #[napi(catch_unwind)]
    pub fn connect_datagrams(&self, id: f64, address: Uint8Array) -> i32 {
        self.on_address(id, "connect_datagrams", &address, |fd, address| {
            udsock::connect_datagrams(fd, address)
        })
    }

    /// Undoes `connect_datagrams`.
    #[napi(catch_unwind)]
    pub fn disconnect_datagrams(&self, id: f64) -> i32 {
        self.on_socket(id, "disconnect_datagrams", |fd| udsock::disconnect_datagrams(fd))
    }

    /// Has each datagram come with its sender's credentials. -EOPNOTSUPP elsewhere than on Linux.
    #[napi(catch_unwind)]
    pub fn pass_credentials(&self, id: f64, on: bool) -> i32 {
        self.on_socket(id, "pass_credentials", |fd| udsock::pass_credentials(fd, on))
    }

    /// Sets the bytes of the longest record that a socket receives whole: with DATAGRAM_HEAD more, at most the scratch memory's.
    #[napi(catch_unwind)]
    pub fn set_longest_record(&self, id: f64, length: f64) -> i32 {
        code(self.with("set_longest_record", |open| {
            let length = whole(length, i32::MAX as u64)? as usize;
            open.reactor.set_longest_record(Id::from_number(id)?, length)
        }))
    }
}

impl Driver {
    fn on_address(
        &self,
        id: f64,
        export: &str,
        address: &[u8],
        work: impl FnOnce(BorrowedFd<'_>, &Address) -> std::io::Result<()>,
    ) -> i32 {
        match address_of(address) {
            Ok(address) => self.on_socket(id, export, |fd| work(fd, &address)),
            Err(errno) => code(Err(errno)),
        }
    }

    fn on_socket(
        &self,
        id: f64,
        export: &str,
        work: impl FnOnce(BorrowedFd<'_>) -> std::io::Result<()>,
    ) -> i32 {
        let done: Result<(), Errno> =
            self.with(export, |open| work(open.reactor.fd(Id::from_number(id)?)?).map_err(errno_of));
        code(done)
    }
}
