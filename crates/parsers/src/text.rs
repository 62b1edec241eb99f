//! Small helpers that every format needs: identifiers in texts, CWE numbers, cutting.
