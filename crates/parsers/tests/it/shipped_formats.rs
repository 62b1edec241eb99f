//! Every shipped format on small reports of ours: what is found is kept beside the report.
