//! The reactor's mailbox as the control plane sees it: outcomes of requests become arrivals.

use crate::arguments::rights_of;
use crate::outcome::errno_of;
use std::sync::Arc;
use udsock::control::{self, Outcome};
use udsock_reactor::{Answer, Arrival, Mailbox, PANICKED, Rights, Role, SocketType};

/// The role of a socket that was bound.
pub(crate) fn bound_role(socket_type: SocketType, rights: Rights) -> Role {
    match socket_type {
        SocketType::Datagram => Role::Connection(socket_type, rights),
        SocketType::Stream | SocketType::Packet => Role::Listener(socket_type, rights),
    }
}

pub(crate) struct ReactorMailbox(pub(crate) Arc<Mailbox>);

impl control::Mailbox for ReactorMailbox {
    type Letter = Arrival;

    fn letter(&self, request: u32, outcome: Outcome) -> Arrival {
        let outcome = match outcome {
            Outcome::Connected(socket, options) => {
                let role = Role::Connection(options.socket_type, rights_of(!options.refuse_rights));
                Ok(Answer::Socket(socket, role))
            }
            Outcome::Listening(socket, options, back) => {
                let role = bound_role(options.socket_type, rights_of(!options.refuse_rights));
                Ok(Answer::Listener(socket, role, Box::new(|socket, errno| back(socket, errno.into()))))
            }
            Outcome::Notice(notice) => Ok(Answer::Note(notice as i32)),
            Outcome::Failed(error) => Err(errno_of(error)),
            Outcome::Panicked => Err(PANICKED),
        };
        Arrival { request, outcome }
    }

    fn deliver(&self, letter: Arrival) -> Result<(), Arrival> {
        self.0.deliver(letter)
    }
}
