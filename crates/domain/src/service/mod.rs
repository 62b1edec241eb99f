//! Services: one file per noun, each function authorises, loads, decides and commits.
