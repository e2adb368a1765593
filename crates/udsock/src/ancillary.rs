//! The control messages that may come with the bytes of a stream, and whether they can end a read early.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::OnceLock;

use crate::socket_type::SocketType;
use crate::sys;

/// Whether the kernel passes something on to the reader of a socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Passed {
    /// It does not.
    Off,
    /// It does.
    On,
    /// The kernel does not say, or its answer is none of the possible ones.
    Unknown,
}

/// The control messages that the kernel passes to the reader of a socket beside bytes, as far as it reports them.
///
/// # Examples
///
/// ```
/// use std::os::unix::net::UnixStream;
/// use udsock::{Ancillary, Passed, refuse_rights};
///
/// let (socket, _peer) = UnixStream::pair()?;
/// // Linux can refuse descriptors from 6.16 on.
/// if refuse_rights(&socket).is_ok() {
///     assert_eq!(Ancillary::of(&socket), Ancillary::of_new_socket(true));
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ancillary {
    /// Descriptors (`SCM_RIGHTS`).
    pub rights: Passed,
    /// Credentials, security labels and process descriptors: `Off` is none of them, `On` at least one.
    pub senders: Passed,
}

impl Ancillary {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self { rights: Passed::Unknown, senders: Passed::Unknown };

    /// Asks the kernel about `socket`. The answer about a listener is true for later connections, until the options of the
    /// listener change.
    pub fn of(socket: impl AsFd) -> Self {
        Kernel::get().map_or(Self::UNKNOWN, |_| Self::ask(socket.as_fd()))
    }

    /// Asks about descriptors alone.
    pub fn rights_of(socket: impl AsFd) -> Passed {
        Kernel::get().map_or(Passed::Unknown, |_| sys::passes_rights(socket.as_fd()))
    }

    /// Returns what is true of a new stream socket of this process, after [`refuse_rights`] if `refuses`. The kernel is asked
    /// once per process.
    pub fn of_new_socket(refuses: bool) -> Self {
        match Kernel::get() {
            None => Self::UNKNOWN,
            Some(kernel) if refuses => kernel.refusing,
            Some(kernel) => kernel.new,
        }
    }

    /// Whether a read that brought less than it asked for, and no control message, has left nothing behind. Otherwise a
    /// reader that waits for the next edge has to read on to `EAGAIN`.
    ///
    /// Linux ends a read behind a message with descriptors, and such a read has control messages. It also ends a read between
    /// two senders while it passes on anything about them, and such a read has none.
    pub fn is_short_read_final(self) -> bool {
        self.rights != Passed::Unknown && self.senders == Passed::Off
    }

    fn ask(socket: BorrowedFd<'_>) -> Self {
        let mut senders = Passed::Off;
        for passed in sys::passes_senders(socket) {
            senders = match (senders, passed) {
                (Passed::On, _) | (_, Passed::On) => Passed::On,
                (Passed::Unknown, _) | (_, Passed::Unknown) => Passed::Unknown,
                (Passed::Off, Passed::Off) => Passed::Off,
            };
        }
        Self { rights: sys::passes_rights(socket), senders }
    }
}

/// Has the kernel refuse descriptors that peers send to `socket`: their sends fail with `EPERM`. The connections of a
/// listener inherit it when their clients connect.
///
/// # Errors
///
/// `ENOPROTOOPT` where the kernel cannot: Linux can from 6.16 on.
pub fn refuse_rights(socket: impl AsFd) -> io::Result<()> {
    Ok(sys::refuse_rights(socket.as_fd())?)
}

/// The answers of this kernel about new sockets.
#[derive(Clone, Copy)]
struct Kernel {
    new: Ancillary,
    refusing: Ancillary,
}

impl Kernel {
    /// `None` where the kernel does not know the switch for descriptors, which shows in the answers before and after. The
    /// other answers of such a kernel are not believed either.
    fn get() -> Option<Self> {
        static KERNEL: OnceLock<Option<Kernel>> = OnceLock::new();
        if let Some(kernel) = KERNEL.get() {
            return *kernel;
        }
        // Without a descriptor to ask about, the next call asks.
        let socket = sys::socket(SocketType::Stream).ok()?;
        let new = Ancillary::ask(socket.as_fd());
        let refused = sys::refuse_rights(socket.as_fd());
        let refusing = Ancillary::ask(socket.as_fd());
        let is_known = refused.is_ok() && new.rights == Passed::On && refusing.rights == Passed::Off;
        *KERNEL.get_or_init(|| is_known.then_some(Kernel { new, refusing }))
    }
}
