"""The part of RunAgent that runs inside an instance."""
