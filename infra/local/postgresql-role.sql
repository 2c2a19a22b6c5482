-- The role of all local services and tests: may create databases and roles. Repeated at every start, so that
-- the password in the state file is the one that works.
SELECT 'CREATE ROLE {{user}}' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{{user}}') \gexec
ALTER ROLE {{user}} LOGIN CREATEDB CREATEROLE PASSWORD '{{password}}';
-- A client that names no database asks for the one called like its role.
SELECT 'CREATE DATABASE {{user}} OWNER {{user}}' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{{user}}') \gexec
