"""License facts and their resolution; unknown never reads as permissive."""
