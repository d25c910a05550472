"""What happens, pushed to every open page: Kafka and looks at the tables in, one stream out."""
