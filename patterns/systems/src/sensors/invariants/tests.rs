//! Each invariant sees a breach when there is one.
