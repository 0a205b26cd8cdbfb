"""Yoyak: from a Korean summarization competition's train.csv to the submission.csv, as a DVC graph."""
