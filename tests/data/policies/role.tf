resource "aws_iam_role" "meterbook" {
  name        = "meterbook"
  path        = "/usage/"
  description = "Lets Meterbook read usage; it can change nothing."

  assume_role_policy = jsonencode({
    "Version": "2012-10-17",
    "Statement": [
      {
        "Effect": "Allow",
        "Principal": {
          "AWS": "arn:aws:iam::999999999999:role/agents"
        },
        "Action": "sts:AssumeRole",
        "Condition": {
          "StringEquals": {
            "sts:ExternalId": "acme-7"
          }
        }
      }
    ]
  })
}

resource "aws_iam_role_policy" "meterbook_read" {
  name = "meterbook-read"
  role = aws_iam_role.meterbook.id

  policy = jsonencode({
    "Version": "2012-10-17",
    "Statement": [
      {
        "Effect": "Allow",
        "Action": [
          "dynamodb:ListTables",
          "ec2:DescribeInstances",
          "sqs:ListQueues",
          "tag:GetResources"
        ],
        "Resource": [
          "*"
        ],
        "Condition": {
          "StringEquals": {
            "aws:RequestedRegion": [
              "eu-central-1",
              "us-east-1"
            ]
          }
        }
      },
      {
        "Effect": "Allow",
        "Action": [
          "dynamodb:DescribeTable"
        ],
        "Resource": [
          "arn:aws:dynamodb:*:*:table/*"
        ],
        "Condition": {
          "StringEquals": {
            "aws:RequestedRegion": [
              "eu-central-1",
              "us-east-1"
            ]
          }
        }
      }
    ]
  })
}

output "meterbook_role_arn" {
  value = aws_iam_role.meterbook.arn
}
