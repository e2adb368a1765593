//! The control messages that may come with the bytes of a connection, and when a short read means that it is drained.

use std::os::fd::AsFd;
use udsock::{Ancillary, Passed, refuse_rights};

/// How descriptors that a peer sends unasked are treated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rights {
    /// The kernel refuses them where it can, and the peer's send fails. Elsewhere they are discarded.
    Refuse,
    /// They are received and closed. The bytes that they came with are delivered.
    Discard,
}

/// Short reads of an inherited socket before the kernel is asked about it. A short-lived connection never gets there.
const READS_BEFORE_ASKING: u8 = 4;

/// How to receive from one connection.
pub(crate) struct Input {
    ancillary: Ancillary,
    /// Short reads until the kernel is asked; 0 when it was asked or need not be.
    unasked: u8,
    /// Whether it was read empty since the kernel refuses descriptors, so that none are under way.
    emptied: bool,
}

impl Input {
    /// For a socket that this process has made and connected. With `Refuse`, it refused descriptors before it connected.
    pub(crate) fn of_own(socket: impl AsFd, rights: Rights) -> Self {
        let passed = match rights {
            Rights::Refuse => Ancillary::rights_of(&socket),
            Rights::Discard => Passed::On,
        };
        match (rights, passed) {
            (Rights::Refuse, Passed::On) => {
                // Descriptors may be under way.
                let refuses = refuse_rights(&socket).is_ok();
                Input { ancillary: Ancillary::of_new_socket(refuses), unasked: 0, emptied: false }
            }
            (_, passed) => {
                let ancillary =
                    Ancillary { rights: passed, ..Ancillary::of_new_socket(passed == Passed::Off) };
                Input { ancillary, unasked: 0, emptied: true }
            }
        }
    }

    /// For a socket with options that this process does not know.
    pub(crate) fn of_inherited(socket: impl AsFd, rights: Rights) -> Self {
        if rights == Rights::Refuse {
            // If the kernel cannot, they are discarded.
            let _ = refuse_rights(socket);
        }
        Input { ancillary: Ancillary::UNKNOWN, unasked: READS_BEFORE_ASKING, emptied: false }
    }

    /// Whether no control message can come, so that there are only bytes to receive.
    pub(crate) fn is_bytes_alone(&self) -> bool {
        self.emptied && self.ancillary.rights == Passed::Off
    }

    /// Records a read of `socket` that brought less than it asked for, and no control message. Returns whether nothing is left
    /// to read.
    pub(crate) fn note_short_read(&mut self, socket: impl AsFd) -> bool {
        if self.unasked > 0 {
            self.unasked -= 1;
            if self.unasked == 0 {
                self.ancillary = Ancillary::of(socket);
            }
        }
        let is_final = self.ancillary.is_short_read_final();
        self.emptied |= is_final;
        is_final
    }

    /// Records a read that found nothing.
    pub(crate) fn note_empty(&mut self) {
        self.emptied = true;
    }
}

/// The settings that the connections of a listener inherit from it.
pub(crate) enum Inheritance {
    /// The same for all connections, from the first client on.
    Known(Ancillary),
    /// Each connection may differ: the listener's options have changed, or another process may change them.
    Each(Rights),
}

impl Inheritance {
    /// For a listening socket that this process has made. With `Refuse`, it refused descriptors before it listened.
    pub(crate) fn of_own(listener: impl AsFd, rights: Rights) -> Self {
        let ancillary = Ancillary::of(&listener);
        if rights == Rights::Refuse && ancillary.rights == Passed::On {
            // Clients may have connected already.
            let _ = refuse_rights(listener);
            return Inheritance::Each(rights);
        }
        Inheritance::Known(ancillary)
    }

    /// From now on, another process may change the listener's options.
    pub(crate) fn share(&mut self) {
        if let Inheritance::Known(ancillary) = self {
            let refuses = ancillary.rights == Passed::Off;
            *self = Inheritance::Each(if refuses { Rights::Refuse } else { Rights::Discard });
        }
    }

    /// Returns how to receive from a connection that the listener has accepted.
    pub(crate) fn input(&self, accepted: impl AsFd) -> Input {
        match *self {
            Inheritance::Known(ancillary) => Input { ancillary, unasked: 0, emptied: true },
            Inheritance::Each(rights) => Input::of_inherited(accepted, rights),
        }
    }

    /// Whether a connection in the listener's queue may hold descriptors.
    pub(crate) fn may_hold_rights(&self) -> bool {
        !matches!(self, Inheritance::Known(Ancillary { rights: Passed::Off, .. }))
    }
}
