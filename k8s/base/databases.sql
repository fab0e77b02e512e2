-- Runs once, on an empty volume: one database for each who needs one, and a role that owns nothing else.
\getenv mlflow_password MLFLOW_PASSWORD
\getenv features_password FEATURES_PASSWORD
CREATE ROLE mlflow LOGIN PASSWORD :'mlflow_password';
CREATE ROLE features LOGIN PASSWORD :'features_password';
CREATE DATABASE mlflow OWNER mlflow;
CREATE DATABASE features OWNER features;
REVOKE CONNECT ON DATABASE mlflow, features FROM PUBLIC;
