//! Requests that may wait: connecting to a full listener, binding, and the files of listeners. The control plane serves them.

use super::Driver;
use crate::arguments::{address_of, backlog_of, number, number_up_to, rights_of, socket_type_of, timeout_of};
use crate::constants::{
    LISTEN_ALL, LISTEN_CREDENTIALS, LISTEN_DATAGRAMS, LISTEN_DISCARDING, LISTEN_PACKETS, LISTEN_UNLINKING,
    ON_EXISTING_ERROR, ON_EXISTING_REPLACE_STALE, ON_EXISTING_TAKE_OVER,
};
use crate::mailbox::bound_role;
use crate::outcome::{code, errno_of, id_or_errno};
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;
use std::sync::atomic::AtomicBool;
use udsock::{BindOptions, Bound, ConnectOptions, OnExisting};
use udsock_reactor::{Errno, Id, SocketType};

fn on_existing_of(number: f64) -> Result<OnExisting, Errno> {
    match number_up_to(number, ON_EXISTING_TAKE_OVER)? {
        ON_EXISTING_ERROR => Ok(OnExisting::Error),
        ON_EXISTING_REPLACE_STALE => Ok(OnExisting::ReplaceStale),
        _ => Ok(OnExisting::TakeOver),
    }
}

/// The type of socket that flags of `listen` ask for.
fn listening_type(flags: u32) -> SocketType {
    match flags & (LISTEN_PACKETS | LISTEN_DATAGRAMS) {
        0 => SocketType::Stream,
        LISTEN_PACKETS => SocketType::Packet,
        _ => SocketType::Datagram,
    }
}

#[napi]
impl Driver {
    /// Connects, waiting for a full backlog. Returns 0, and a `completed` event with this request follows. `timeout` is in
    /// milliseconds; -1: none. `discard`: descriptors that the peer sends are closed, and the bytes with them delivered;
    /// otherwise the kernel refuses both where it can. `socket_type`, here and below: one of the SOCKET numbers, a stream unless it is given.
    #[napi(catch_unwind)]
    pub fn connect(
        &self,
        request: f64,
        address: Uint8Array,
        timeout: f64,
        discard: bool,
        socket_type: Option<f64>,
    ) -> i32 {
        code(self.with("connect", |open| {
            let (request, address, timeout) = (number(request)?, address_of(&address)?, timeout_of(timeout)?);
            let options =
                ConnectOptions::new().refuse_rights(!discard).socket_type(socket_type_of(socket_type)?);
            open.requests.connect(request, address, options, timeout).map_err(errno_of)
        }))
    }

    /// Binds, and listens unless it is a socket for datagrams. Returns 0; a `completed` event with this request follows, then `note` events until
    /// it is forgotten. `mode` -1: none. `on_existing`: one of the ON_EXISTING numbers. `flags`: a sum of LISTEN numbers.
    #[napi(catch_unwind)]
    pub fn listen(
        &self,
        request: f64,
        address: Uint8Array,
        backlog: f64,
        mode: f64,
        on_existing: f64,
        flags: f64,
    ) -> i32 {
        code(self.with("listen", |open| {
            let flags = number_up_to(flags, LISTEN_ALL)?;
            let options = BindOptions::new(backlog_of(backlog)?)
                .mode(if mode == -1.0 { None } else { Some(number_up_to(mode, 0o777)?) })
                .on_existing(on_existing_of(on_existing)?)
                .refuse_rights(flags & LISTEN_DISCARDING == 0)
                .pass_credentials(flags & LISTEN_CREDENTIALS != 0)
                .socket_type(listening_type(flags));
            let (request, address) = (number(request)?, address_of(&address)?);
            open.requests.listen(request, address, options, flags & LISTEN_UNLINKING != 0).map_err(errno_of)
        }))
    }

    /// Asks for an end of binding. The `completed` event comes all the same, with -ECANCELED or, if it was too late, an id.
    #[napi(catch_unwind)]
    pub fn cancel_listen(&self, request: f64) -> i32 {
        code(self.with("cancel_listen", |open| {
            open.requests.cancel(number(request)?);
            Ok(())
        }))
    }

    /// Removes a listener's file if it is still its own. Returns 0, and a NOTICE_FILE_REMOVED of its request follows. The
    /// listener must be open until then, so that no other file can have its device and inode.
    #[napi(catch_unwind)]
    pub fn remove_file(&self, request: f64) -> i32 {
        code(self.with("remove_file", |open| open.requests.remove_file(number(request)?).map_err(errno_of)))
    }

    /// Removes the files of open listeners that unlink, and cancels what is being bound: for the end of the process. Waits for
    /// locks for at most 50 ms in all.
    #[napi(catch_unwind)]
    pub fn remove_files(&self) -> i32 {
        code(self.with("remove_files", |open| {
            open.requests.remove_files();
            Ok(())
        }))
    }

    /// Gives a request up, or ends the notes of one that was completed.
    #[napi(catch_unwind)]
    pub fn forget(&self, request: f64) -> i32 {
        code(self.with("forget", |open| {
            open.requests.forget(number(request)?);
            Ok(())
        }))
    }

    /// Binds and listens now, on this thread. Returns the id of the listener, or of the socket for datagrams. Its file is removed by `remove_file_now` or
    /// `remove_files`. The path is not watched.
    #[napi(catch_unwind)]
    pub fn listen_now(
        &self,
        address: Uint8Array,
        backlog: f64,
        discard: bool,
        socket_type: Option<f64>,
    ) -> f64 {
        let listening = self.with("listen_now", |open| {
            let socket_type = socket_type_of(socket_type)?;
            let options = BindOptions::new(backlog_of(backlog)?);
            let options = options.refuse_rights(!discard).socket_type(socket_type);
            let Bound { socket, file } =
                udsock::bind_with(&address_of(&address)?, &options, &AtomicBool::new(false))
                    .map_err(errno_of)?;
            let added = open.reactor.add(socket, bound_role(socket_type, rights_of(discard)));
            match (added, file) {
                (Ok(id), Some(file)) => open.requests.keep_file(id.bits(), file),
                // A file that cannot be removed stays.
                (Err(_), Some(file)) => drop(file.try_remove()),
                (_, None) => {}
            }
            added
        });
        id_or_errno(listening)
    }

    /// Removes the file of an open listener of `listen_now`, if it is still its own: now, or later when another process holds
    /// the lock of the directory.
    #[napi(catch_unwind)]
    pub fn remove_file_now(&self, id: f64) -> i32 {
        code(self.with("remove_file_now", |open| {
            let listener = Id::from_number(id)?;
            open.requests.remove_kept_file(listener.bits(), open.reactor.fd(listener)?);
            Ok(())
        }))
    }
}
