//! The hot path of mi-httpd, without Node.js. A group of modules uses only groups that are declared above it.
// One function of process/sockets.rs alone may: numbers of descriptors come from outside.
#![deny(unsafe_code)]

pub mod slots;

pub mod layout;

pub mod json {
    //! JSON text: read, checked, written, indented.
    pub mod checker;
    pub mod fault;
    pub mod pretty;
    pub mod reader;
    pub mod text;
}

pub mod request {
    //! Requests: their bodies, what they ask for, their ids.
    pub mod body;
    pub mod ids;
    pub mod plain;
    pub mod scan;
    pub mod scanner;
}

pub mod reply {
    //! Replies: the frame of JSON-RPC, statistics, metrics, text on pages.
    pub mod frame;
    pub mod html;
    pub mod metrics;
    pub mod statistics;
}

pub mod measure {
    //! Measurements: latencies in buckets, values over time.
    pub mod latencies;
    pub mod series;
}

#[cfg(feature = "compress")]
pub mod compress {
    //! Compression of replies, in threads that the server does not wait for.
    pub mod coding;
    pub mod stream;
    pub mod workers;
}

pub mod table {
    //! Record tables, their dumps and searches.
    pub mod arena;
    pub mod dump;
    pub mod entries;
    pub mod growing;
    pub mod index;
    pub mod needle;
    pub mod record;
    pub mod records;
    pub mod registry;
    pub mod search;
    pub mod sync;
    pub mod words;
}

#[cfg(feature = "persist")]
pub mod persist {
    //! Records that outlive the process, in a database that is one file.
    pub mod changes;
    pub mod database;
    pub mod file;
    pub mod keeper;
    pub mod stored;
    #[cfg(test)]
    pub mod testing;
}

pub mod process {
    //! The process around the server: its log, its service manager, the sockets that it inherits, datagrams and FIFOs.
    pub mod datagrams;
    pub mod output;
    pub mod service;
    pub mod sockets;
    pub mod udp;
}
