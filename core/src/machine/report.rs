//! What is to be said of a guest that crashed.
